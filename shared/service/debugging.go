package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// process is a running process of this machine, by its socket.
type process struct{ socket string }

// DebugCommand looks into running processes by the sockets that Debug makes. program is the
// command's own, for its examples: each role has it, since an image of one has no other tool.
func DebugCommand(program string) *cobra.Command {
	var p process
	cmd := &cobra.Command{
		Use: "debug", Short: "Look into a running process of this machine", Args: cobra.NoArgs,
		Long: "Look into a running process of this machine and user, without restarting it: each role\n" +
			"has a unix socket. Without a command, list them. Where there is one process only,\n" +
			"--socket need not be given.",
		Example: strings.ReplaceAll("  PROGRAM debug\n  PROGRAM debug jobs\n  PROGRAM debug level debug\n  PROGRAM debug profile --seconds 10 > cpu.pprof && go tool pprof cpu.pprof", "PROGRAM", program),
		RunE: func(cmd *cobra.Command, _ []string) error {
			sockets, err := sockets()
			for _, socket := range sockets {
				cmd.Println(socket)
			}
			if err == nil && len(sockets) == 0 {
				cmd.PrintErrln("no process of this user has a socket")
			}
			return err
		},
	}
	cmd.PersistentFlags().StringVar(&p.socket, "socket", "", "socket of the process")
	seconds := 30
	profile := p.command("profile", "Write a profile of processor time to stdout, for go tool pprof", func() string {
		return fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds)
	})
	profile.Flags().IntVar(&seconds, "seconds", seconds, "how long")
	cmd.AddCommand(
		p.command("jobs", "Show what a renderer does now, as JSON", func() string { return "/jobs" }),
		p.command("goroutines", "Show all goroutines with their stacks", func() string { return "/debug/pprof/goroutine?debug=2" }),
		p.command("heap", "Write a profile of memory to stdout, for go tool pprof", func() string { return "/debug/pprof/heap" }),
		profile, p.levelCommand())
	return cmd
}

// sockets are those of processes that live.
func sockets() (living []string, err error) {
	folder, err := SocketFolder()
	if err != nil {
		return nil, err
	}
	all, err := filepath.Glob(filepath.Join(folder, "*.sock"))
	for _, socket := range all {
		if conn, err := net.Dial("unix", socket); err == nil {
			_ = conn.Close()
			living = append(living, socket)
		}
	}
	return living, err
}

// command is one that prints what the process answers.
func (p *process) command(name, short string, path func() string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.ask(cmd, http.MethodGet, path(), "") },
	}
}

func (p *process) levelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "level [LEVEL]", Short: "Show the log's level, or change it until the process ends", Args: cobra.MaximumNArgs(1),
		ValidArgs: []string{"debug", "info", "warn", "error"},
		RunE: func(cmd *cobra.Command, level []string) error {
			if len(level) == 0 {
				return p.ask(cmd, http.MethodGet, "/log/level", "")
			}
			return p.ask(cmd, http.MethodPut, "/log/level", level[0])
		},
	}
}

// ask copies the answer to stdout.
func (p *process) ask(cmd *cobra.Command, method, path, body string) error {
	socket, err := p.find()
	if err != nil {
		return err
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	request, err := http.NewRequestWithContext(cmd.Context(), method, "http://process"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: &http.Transport{DialContext: dial}}).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return errors.New(strings.TrimSpace(string(text)))
	}
	_, err = io.Copy(os.Stdout, response.Body)
	return err
}

func (p *process) find() (string, error) {
	if p.socket != "" {
		return p.socket, nil
	}
	all, err := sockets()
	switch {
	case err != nil:
		return "", err
	case len(all) != 1:
		return "", fmt.Errorf("%d processes have a socket; --socket says which one is meant:\n  %s", len(all), strings.Join(all, "\n  "))
	}
	return all[0], nil
}
