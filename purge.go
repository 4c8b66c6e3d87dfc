package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// purgeList is how many originals one request takes.
const purgeList = 1000

func purgeCommand() *cobra.Command {
	var from admin
	var asJSON bool
	cmd := &cobra.Command{
		Use: "purge ORIGINAL...", Short: "Have everybody forget the thumbnails of an original", Args: cobra.MinimumNArgs(1),
		Long: "Delete every thumbnail of an original, in all sizes and formats, from the store, and have\n" +
			"the memory of every edge, the failure memory and the CDN (purge.urls, purge.xkey) forget\n" +
			"it. An original is named as in logs: a path, an http URL, or container/path.\n\n" +
			"A purge can be repeated. It ends with 1 when something could not be reached, and says what.",
		Example: "  thumbmill purge a/b.jpg\n  thumbmill purge wikipedia-commons-local-public.ab/a/ab/Cat.jpg --admin http://edge1:8889",
		RunE:    func(cmd *cobra.Command, originals []string) error { return from.purge(cmd, originals, asJSON) },
	}
	from.flag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the lines of /api/v1/purge")
	return cmd
}

// purgeReport is a line of /api/v1/purge.
type purgeReport struct {
	Original string
	Deleted  int
	Edges    []string
	CDN      int
	Missed   []string
	Unnamed  int
	Done     bool
}

func (a *admin) purge(cmd *cobra.Command, originals []string, asJSON bool) error {
	ctx, stop := untilSignal(cmd)
	defer stop()
	out, done, missed := cmd.OutOrStdout(), 0, 0
	take := func(line json.RawMessage) error {
		var r purgeReport
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if r.Done {
			done++
			missed += len(r.Missed) + r.Unnamed
		}
		r.show(out, line, asJSON)
		return nil
	}
	for list := range slices.Chunk(originals, purgeList) {
		if err := a.post(ctx, "/api/v1/purge", map[string][]string{"originals": list}, take); err != nil {
			return err
		}
	}
	switch {
	case done < len(originals):
		return fmt.Errorf("%d of %d originals were purged: the answer broke off", done, len(originals))
	case missed > 0:
		return errors.New("not everything was reached; purge again when it can be")
	}
	return nil
}

func (r purgeReport) show(out io.Writer, line json.RawMessage, asJSON bool) {
	switch {
	case asJSON:
		_, _ = fmt.Fprintf(out, "%s\n", line)
	case !r.Done:
		_, _ = fmt.Fprintf(os.Stderr, "%s: %d thumbnails deleted, %d edges, %d CDN requests …\n", r.Original, r.Deleted, len(r.Edges), r.CDN)
	default:
		_, _ = fmt.Fprintf(out, "%s: %d thumbnails deleted, forgotten by %d edges, %d CDN requests\n", r.Original, r.Deleted, len(r.Edges), r.CDN)
		for _, what := range r.Missed {
			_, _ = fmt.Fprintf(out, "  not reached: %s\n", strings.TrimSpace(what))
		}
		if r.Unnamed > 0 {
			_, _ = fmt.Fprintf(out, "  not reached: %d more\n", r.Unnamed)
		}
	}
}
