package debug

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

// Command inspects running processes through their sockets. program is the command above it, for its
// examples. Each role has this command, because an image of one role has no other tool.
func Command(program string) *cobra.Command {
	var p process
	cmd := &cobra.Command{
		Use: "debug", Short: "Inspect a running process of this machine",
		Long: "Inspect a running process of this machine and user, without a restart, through the unix\n" +
			"socket of each role. Without a command, list the sockets. If there is only one process,\n" +
			"--socket is not needed.",
		Example: strings.ReplaceAll("  PROGRAM debug\n  PROGRAM debug jobs\n  PROGRAM debug level debug\n  PROGRAM debug profile --seconds 10 > cpu.pprof && go tool pprof cpu.pprof", "PROGRAM", program),
		RunE:    func(cmd *cobra.Command, _ []string) error { return list(cmd) },
	}
	cmd.PersistentFlags().StringVar(&p.socket, "socket", "", "socket of the process")
	cmd.AddCommand(
		p.command("jobs", "Show the jobs of a renderer, as JSON", "/jobs"),
		p.command("goroutines", "Show all goroutines with their stacks", "/debug/pprof/goroutine?debug=2"),
		p.command("heap", "Write a profile of memory to stdout, for go tool pprof", "/debug/pprof/heap"),
		p.profileCommand(), p.levelCommand())
	return cmd
}

// list prints the sockets of processes that answer.
func list(cmd *cobra.Command) error {
	sockets, err := find(cmd.Context())
	for _, socket := range sockets {
		_, _ = fmt.Fprintln(cmd.OutOrStdout(), socket)
	}
	if err == nil && len(sockets) == 0 {
		cmd.PrintErrln("no process of this user has a socket")
	}
	return err
}

func find(ctx context.Context) ([]string, error) {
	folder, err := Folder()
	if err != nil {
		return nil, err
	}
	return answering(ctx, folder)
}

// process is a running process of this machine, by its socket.
type process struct{ socket string }

// command makes a command that prints an answer of the process.
func (p *process) command(name, short, path string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.print(cmd, http.MethodGet, path, "") },
	}
}

func (p *process) profileCommand() *cobra.Command {
	seconds := 30
	cmd := p.command("profile", "Write a profile of processor time to stdout, for go tool pprof", "")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return p.print(cmd, http.MethodGet, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds), "")
	}
	cmd.Flags().IntVar(&seconds, "seconds", seconds, "duration in seconds")
	return cmd
}

func (p *process) levelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "level [LEVEL]", Short: "Show the log's level, or change it until the process ends", Args: cobra.MaximumNArgs(1),
		Long:      "Show the log's level, or change it until the process ends: " + strings.Join(levels(), ", ") + ".",
		ValidArgs: levels(),
		RunE: func(cmd *cobra.Command, level []string) error {
			if len(level) == 0 {
				return p.print(cmd, http.MethodGet, "/log/level", "")
			}
			return p.print(cmd, http.MethodPut, "/log/level", level[0])
		},
	}
}

// print copies the answer of the process to stdout.
func (p *process) print(cmd *cobra.Command, method, path, body string) error {
	socket, err := p.choose(cmd.Context())
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(cmd.Context(), method, "http://process"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	response, err := over(socket).Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return errors.New(strings.TrimSpace(string(text)))
	}
	_, err = io.Copy(cmd.OutOrStdout(), response.Body)
	return err
}

// choose returns the socket of --socket, or the only socket.
func (p *process) choose(ctx context.Context) (string, error) {
	if p.socket != "" {
		return p.socket, nil
	}
	all, err := find(ctx)
	switch {
	case err != nil:
		return "", err
	case len(all) == 0:
		return "", errors.New("no process of this user has a socket that answers: start a role, or name another socket with --socket")
	case len(all) > 1:
		return "", fmt.Errorf("%d processes answer: choose one with --socket:\n  %s", len(all), strings.Join(all, "\n  "))
	}
	return all[0], nil
}
