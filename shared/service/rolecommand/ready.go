package rolecommand

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/certificate"
	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// readyTimeout bounds the request for a role's readiness. The process asks no other process, so it
// answers at once or not at all.
const readyTimeout = 2 * time.Second

// readyCommand makes the command for health checks of containers: their image has no other program.
func (r Role) readyCommand() *cobra.Command {
	var flags commandline.Settings
	cmd := &cobra.Command{
		Use: "ready", Short: "Check whether a running " + r.Name + " of this machine is ready", Args: cobra.NoArgs,
		Long: "Check whether the running " + r.Name + " at admin.listen is ready. End with 1 if it is not ready or\n" +
			"does not answer within " + readyTimeout.String() + ". Give the command the same settings as the " + r.Name + ".",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := flags.Load(cmd.Flags())
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), readyTimeout)
			defer cancel()
			answer, err := askReady(ctx, s.Admin)
			if err == nil {
				cmd.Println(answer)
			}
			return err
		},
	}
	flags.Add(cmd.Flags(), map[string]string{"admin-listen": "admin.listen"})
	return cmd
}

// askReady returns the answer of /readyz from the operators' listener of a process on this machine, or
// an error if the process is not ready.
func askReady(ctx context.Context, s settings.Admin) (string, error) {
	host, port, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return "", fmt.Errorf("admin.listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	transport, scheme := &http.Transport{}, "http" // no proxy
	if s.TLS.Certificate != "" {
		scheme = "https"
		if transport.TLSClientConfig, err = certificate.Itself(s.TLS); err != nil {
			return "", fmt.Errorf("admin.tls: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+net.JoinHostPort(host, port)+operators.Ready, nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New("not ready: " + strings.TrimSpace(string(text)))
	}
	return strings.TrimSpace(string(text)), err
}
