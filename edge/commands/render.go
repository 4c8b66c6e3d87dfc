package commands

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
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
		Long: "Render thumbnails in advance, behind what clients wait for (the lane bulk). A path is that\n" +
			"of a thumbnail's URL, MediaWiki's or Thumbor's, which need not be signed: /unsafe/330x/a.jpg.\n" +
			"- reads paths from standard input, one a line. What a throttle refuses is tried again.\n\n" +
			"It ends with 1 when a thumbnail could not be rendered.",
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
	cmd.Flags().BoolVar(&renew, "renew", false, "again those that today's rules and defaults would render otherwise")
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

// render is the command under way.
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
		return fmt.Errorf("%d of %d thumbnails: the answer broke off", r.done, r.of)
	case r.failed > 0:
		return errors.New("not all thumbnails were rendered")
	}
	return nil
}

// note counts and shows a line of the answer.
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
