package commands

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/client"
)

func purgeCommand() *cobra.Command {
	var at client.Client
	var asJSON bool
	cmd := &cobra.Command{
		Use: "purge ORIGINAL...", Short: "Delete the thumbnails of an original everywhere", Args: cobra.MinimumNArgs(1),
		Long: "Delete every thumbnail of an original, in all sizes and formats, from the store, and from\n" +
			"the memory of every edge, the failure memory and the CDN (the settings of purge). Name an\n" +
			"original as logs do: a path, an http URL, or container/path; or paste the URL of one of its\n" +
			"thumbnails. A * at the end of a path purges all originals of Thumbor's and imgproxy's URLs\n" +
			"whose names begin so, and that have thumbnails.\n\n" +
			"The exit status is 1 when the purge missed an edge, a renderer, the store or the CDN; the\n" +
			"report says which, and the purge can be repeated. The status is 2 when a name has neither an\n" +
			"original nor thumbnails.",
		Example: "  thumbmill purge a/b.jpg https://thumbs.example/unsafe/330x/a/b.jpg '2026/11/*'\n  thumbmill purge wikipedia-commons-local-public.ab/a/ab/Cat.jpg --admin http://edge1:8889",
		RunE: func(cmd *cobra.Command, originals []string) error {
			ctx, stop := client.UntilSignal(cmd)
			defer stop()
			p := purge{at: &at, out: cmd.OutOrStdout(), progress: cmd.ErrOrStderr(), asJSON: asJSON}
			return p.all(ctx, originals)
		},
	}
	at.AddFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the lines of "+operators.Purge)
	return cmd
}

// purge is one run of the command.
type purge struct {
	at            *client.Client
	out, progress io.Writer
	asJSON        bool
	done, missed  int // purged originals; edges, renderers, stores and CDNs that the purge missed
	absent        int // names that no original has
}

func (p *purge) all(ctx context.Context, originals []string) error {
	for list := range slices.Chunk(originals, operators.MaxOriginals) {
		if err := p.at.PostLines(ctx, operators.Purge, operators.PurgeRequest{Originals: list}, p.note); err != nil {
			return err
		}
	}
	switch {
	case p.done < len(originals):
		return fmt.Errorf("the answer broke off after %d of %d originals: purge the others again", p.done, len(originals))
	case p.missed > 0:
		return fmt.Errorf("the purge missed %d parts of the cluster: purge again when these parts answer", p.missed)
	case p.absent > 0:
		return commandline.NothingThere{Err: fmt.Errorf("%d of %d names have neither an original nor thumbnails: write names as logs do, or the URL of a thumbnail", p.absent, len(originals))}
	}
	return nil
}

// note counts one line of the answer, and prints it.
func (p *purge) note(line json.RawMessage) error {
	var r operators.PurgeReport
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	if r.Done {
		p.done++
		p.missed += len(r.Missed) + r.Unnamed
		if r.Absent {
			p.absent++
		}
	}
	switch {
	case p.asJSON:
		_, _ = fmt.Fprintf(p.out, "%s\n", line)
	case r.Done:
		p.showReport(r)
	default:
		_, _ = fmt.Fprintf(p.progress, "%s: %d thumbnails deleted, %d edges, %d CDN requests …\n", r.Original, r.Deleted, len(r.Edges), r.CDN)
	}
	return nil
}

func (p *purge) showReport(r operators.PurgeReport) {
	_, _ = fmt.Fprintf(p.out, "%s: %d thumbnails deleted, forgotten by %d edges, %d CDN requests\n", r.Original, r.Deleted, len(r.Edges), r.CDN)
	if r.Absent {
		_, _ = fmt.Fprintf(p.out, "  no original has this name\n")
	}
	for _, part := range r.Missed {
		_, _ = fmt.Fprintf(p.out, "  not reached: %s\n", strings.TrimSpace(part))
	}
	if r.Unnamed > 0 {
		_, _ = fmt.Fprintf(p.out, "  not reached: %d more\n", r.Unnamed)
	}
}
