package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/service"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// admin is the operators' listener that a command asks.
type admin struct{ base, token, ca string }

func (a *admin) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.token, "token-file", os.Getenv("THUMBMILL_ADMIN_TOKEN_FILE"), "file with the token that is to be shown to act (default: as admin.token_file)")
	cmd.Flags().StringVar(&a.ca, "admin-ca", "", "PEM file of those who sign the listener's certificate, for https (default: the system's)")
	cmd.Flags().StringVar(&a.base, "admin", "http://127.0.0.1:8889", "operators' listener (admin.listen) to ask")
}

// firstLine is how long the beginning of an answer may take.
const firstLine = time.Minute

// ask asks, and gives the body of a good answer, which the caller closes.
// content, if there is any, is sent as JSON.
func (a *admin) ask(ctx context.Context, method, path string, content ...byte) (io.ReadCloser, error) {
	base := strings.TrimSuffix(a.base, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("--admin: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if method != http.MethodGet {
		token, err := service.OpenToken(settings.Admin{TokenFile: a.token})
		if err != nil {
			return nil, err
		}
		token.Show(request)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = firstLine
	if transport.TLSClientConfig, err = certificate.Trust(a.ca); err != nil {
		return nil, fmt.Errorf("--admin-ca: %w", err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w (--admin names the operators' listener to ask)", err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer func() { _ = response.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	if response.StatusCode == http.StatusNotFound && strings.HasPrefix(string(text), "404 page") {
		return nil, fmt.Errorf("%s does not know %s: another role listens there", a.base, path)
	}
	return nil, errors.New(response.Status + ": " + strings.TrimSpace(string(text)))
}

// post sends a list, and gives each line of JSON of the answer to take, as it comes.
func (a *admin) post(ctx context.Context, path string, list any, take func(line json.RawMessage) error) error {
	content, err := json.Marshal(list)
	if err != nil {
		return err
	}
	body, err := a.ask(ctx, http.MethodPost, path, content...)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	for decoder := json.NewDecoder(body); ; {
		var line json.RawMessage
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("the answer broke off: %w", err)
		}
		if err := take(line); err != nil {
			return err
		}
	}
}

// untilSignal ends a command's context when the process is told to.
func untilSignal(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
}
