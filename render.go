package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
)

// renderList is how many thumbnails one request takes.
const renderList = 10_000

func renderCommand() *cobra.Command {
	var from admin
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
			return from.render(cmd, paths, renew, asJSON)
		},
	}
	from.flag(cmd)
	cmd.Flags().BoolVar(&renew, "renew", false, "again those that today's rules and defaults would render otherwise")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the lines of /api/v1/render")
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

// rendered is a line of /api/v1/render.
type rendered struct {
	Path, Outcome, Message string
	Seconds                float64
}

func (a *admin) render(cmd *cobra.Command, paths []string, renew, asJSON bool) error {
	ctx, stop := untilSignal(cmd)
	defer stop()
	out, done, failed := cmd.OutOrStdout(), 0, 0
	take := func(line json.RawMessage) error {
		var r rendered
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		done++
		if r.Message != "" {
			failed++
		}
		if asJSON {
			_, _ = fmt.Fprintf(out, "%s\n", line)
			return nil
		}
		_, _ = fmt.Fprintf(out, "%d/%d %s %s %.2fs %s\n", done, len(paths), r.Outcome, r.Path, r.Seconds, r.Message)
		return nil
	}
	for list := range slices.Chunk(paths, renderList) {
		var items []map[string]string
		for _, path := range list {
			items = append(items, map[string]string{"path": path})
		}
		if err := a.post(ctx, "/api/v1/render", map[string]any{"thumbnails": items, "renew": renew}, take); err != nil {
			return err
		}
	}
	switch {
	case done < len(paths):
		return fmt.Errorf("%d of %d thumbnails: the answer broke off", done, len(paths))
	case failed > 0:
		return errors.New("not all thumbnails were rendered")
	}
	return nil
}
