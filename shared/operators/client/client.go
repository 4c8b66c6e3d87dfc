// Package client sends requests to an operators' listener, for the commands of coordinator and edge.
package client

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
	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/operators/token"
)

const (
	// answerWithin bounds a request whose answer is one document.
	answerWithin = 10 * time.Second
	// headWithin bounds the wait for the head of any answer.
	headWithin = time.Minute
	// maxRefusal bounds the part of a refusal that a command shows, in bytes.
	maxRefusal = 4 << 10
)

// Client sends requests to one operators' listener. AddFlags fills it.
type Client struct {
	// URL of the listener. Without a scheme, http is meant.
	URL string
	// TokenFile has the token for requests other than GET. "" means the token that token.Find finds.
	TokenFile string
	// CA is a PEM file of the authorities that sign the listener's certificate. "" means the system's
	// authorities.
	CA string
}

// AddFlags adds the flags for the listener and the token of a command.
func (c *Client) AddFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.URL, "admin", "http://127.0.0.1:8889", "address of the operators' listener (admin.listen)")
	cmd.Flags().StringVar(&c.TokenFile, "token-file", os.Getenv("THUMBMILL_ADMIN_TOKEN_FILE"), "file with the token for changes (default: /etc/thumbmill/token, else the user's own, else the packages')")
	cmd.Flags().StringVar(&c.CA, "admin-ca", "", "PEM file of the authorities that sign the listener's certificate, for https (default: the system's authorities)")
}

// Read returns the body of the answer to GET path.
func (c *Client) Read(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	body, err := c.Open(ctx, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	return io.ReadAll(body)
}

// Get decodes the answer to GET path into a value.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	return c.exchange(ctx, http.MethodGet, path, nil, into)
}

// Delete decodes the answer to DELETE path into a value.
func (c *Client) Delete(ctx context.Context, path string, into any) error {
	return c.exchange(ctx, http.MethodDelete, path, nil, into)
}

// Post sends a value as JSON, and decodes the answer into another one.
func (c *Client) Post(ctx context.Context, path string, content, into any) error {
	return c.exchange(ctx, http.MethodPost, path, content, into)
}

func (c *Client) exchange(ctx context.Context, method, path string, content, into any) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	body, err := c.Open(ctx, method, path, content)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return json.NewDecoder(body).Decode(into)
}

// PostLines sends a value as JSON, and passes each line of the answer, also JSON, to take as it
// arrives. It returns at the end of the answer, without a bound on its duration.
func (c *Client) PostLines(ctx context.Context, path string, content any, take func(line json.RawMessage) error) error {
	body, err := c.Open(ctx, http.MethodPost, path, content)
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

// Open sends a request, with content as JSON unless it is nil. It returns the body of an answer 200,
// which the caller must close, or an error with the text of the refusal.
func (c *Client) Open(ctx context.Context, method, path string, content any) (io.ReadCloser, error) {
	request, err := c.request(ctx, method, path, content)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.ResponseHeaderTimeout = headWithin
	if transport.TLSClientConfig, err = certificate.Trust(c.CA); err != nil {
		return nil, fmt.Errorf("--admin-ca: %w", err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, fmt.Errorf("%w: check --admin, the address of the operators' listener", err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer func() { _ = response.Body.Close() }()
	return nil, c.refusal(response, path)
}

func (c *Client) request(ctx context.Context, method, path string, content any) (*http.Request, error) {
	var body []byte
	var err error
	if content != nil {
		if body, err = json.Marshal(content); err != nil {
			return nil, err
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base()+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("--admin: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	if method == http.MethodGet {
		return request, nil
	}
	right, err := token.Find(c.TokenFile)
	if err == nil {
		right.Show(request)
	}
	return request, err
}

func (c *Client) base() string {
	base := strings.TrimSuffix(c.URL, "/")
	if !strings.Contains(base, "://") {
		base = "http://" + base
	}
	return base
}

// refusal returns the error for an answer other than 200. Nothing to act on is commandline.NothingThere.
func (c *Client) refusal(response *http.Response, path string) error {
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	if response.StatusCode == http.StatusNotFound && strings.HasPrefix(string(text), "404 page") {
		return fmt.Errorf("%s does not know %s: another role listens there: choose another --admin", c.URL, path)
	}
	err := errors.New(response.Status + ": " + strings.TrimSpace(string(text)))
	if response.StatusCode == http.StatusNotFound {
		return commandline.NothingThere{Err: err}
	}
	return err
}

// UntilSignal returns a command's context that ends at SIGINT or SIGTERM.
func UntilSignal(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
}
