package service

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
)

// readyTimeout bounds the question whether a role is ready. It asks nobody else, so it
// answers at once or not at all.
const readyTimeout = 2 * time.Second

// ready is the command by which a container's health is checked: its image has no other
// program.
func (r Role) ready() *cobra.Command {
	var options Options
	keys := map[string]string{"admin-listen": "admin.listen"}
	cmd := &cobra.Command{
		Use: "ready", Short: "Ask a running " + r.Name + " of this machine whether it is ready", Args: cobra.NoArgs,
		Long: "Ask the running " + r.Name + " at admin.listen whether it is ready, and end with 1 when it is not, or\n" +
			"does not answer within " + readyTimeout.String() + ". It is to be given the same settings.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := options.Load(cmd.Flags(), keys)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), readyTimeout)
			defer cancel()
			answer, err := askReady(ctx, s.Admin.Listen)
			if err == nil {
				cmd.Println(answer)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&options.Config, "config", "", "file, or folder of *.yaml, with settings")
	cmd.Flags().String("admin-listen", "", "sets admin.listen")
	return cmd
}

// askReady gives what /readyz answers behind an address on which a process listens.
func askReady(ctx context.Context, listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("admin.listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return "", err
	}
	client := &http.Client{Transport: &http.Transport{}} // past any proxy
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
