package commands

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/client"
)

func renderCommand() *cobra.Command {
	var at client.Client
	var asJSON, renew bool
	cmd := &cobra.Command{
		Use: "render PATH... | -", Short: "Render thumbnails before anybody asks for them", Args: cobra.MinimumNArgs(1),
		Long: "Render thumbnails in advance, on the lane bulk, behind thumbnails that clients wait for. PATH\n" +
			"is the path of a thumbnail's URL, MediaWiki's or Thumbor's, signed or not: /unsafe/330x/a.jpg.\n" +
			"- reads paths from standard input, one on each line. When a throttle refuses a thumbnail,\n" +
			"the edge tries it again.\n\n" +
			"The exit code is 1 when a thumbnail failed.",
		Example: "  thumbmill render /unsafe/330x/a.jpg /unsafe/660x/a.jpg\n  sed 's|^|/unsafe/330x/|' names | thumbmill render -",
		RunE: func(cmd *cobra.Command, paths []string) error {
			if slices.Equal(paths, []string{"-"}) {
				var err error
				if paths, err = readLines(cmd.InOrStdin()); err != nil {
					return err
				}
			}
			ctx, stop := client.UntilSignal(cmd)
			defer stop()
			r := render{at: &at, out: cmd.OutOrStdout(), asJSON: asJSON, of: len(paths)}
			return r.all(ctx, paths, renew)
		},
	}
	at.AddFlags(cmd)
	cmd.Flags().BoolVar(&renew, "renew", false, "also render stored thumbnails again that older settings or defaults made")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the lines of "+operators.Render)
	return cmd
}

func readLines(in io.Reader) (lines []string, err error) {
	scanner := bufio.NewScanner(in)
	for scanner.Scan() {
		if line := scanner.Text(); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, scanner.Err()
}

// render is one run of the command.
type render struct {
	at           *client.Client
	out          io.Writer
	asJSON       bool
	of           int // thumbnails in all
	done, failed int
}

func (r *render) all(ctx context.Context, paths []string, renew bool) error {
	for list := range slices.Chunk(paths, operators.MaxThumbnails) {
		request := operators.RenderRequest{Renew: renew}
		for _, path := range list {
			request.Thumbnails = append(request.Thumbnails, operators.RenderItem{Path: path})
		}
		if err := r.at.PostLines(ctx, operators.Render, request, r.note); err != nil {
			return err
		}
	}
	switch {
	case r.done < r.of:
		return fmt.Errorf("the answer broke off after %d of %d thumbnails: render the others again", r.done, r.of)
	case r.failed > 0:
		return fmt.Errorf("%d of %d thumbnails failed: the lines above say why", r.failed, r.of)
	}
	return nil
}

// note counts one line of the answer, and prints it.
func (r *render) note(line json.RawMessage) error {
	var result operators.RenderResult
	if err := json.Unmarshal(line, &result); err != nil {
		return err
	}
	r.done++
	if !result.OK() {
		r.failed++
	}
	if r.asJSON {
		_, _ = fmt.Fprintf(r.out, "%s\n", line)
		return nil
	}
	_, _ = fmt.Fprintf(r.out, "%d/%d %s %s %.2fs %s\n", r.done, r.of, result.Outcome, result.Path, result.Seconds, result.Message)
	return nil
}
