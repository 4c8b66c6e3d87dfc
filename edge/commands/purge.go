package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/client"
)

func purgeCommand() *cobra.Command {
	var at client.Client
	var asJSON bool
	cmd := &cobra.Command{
		Use: "purge ORIGINAL...", Short: "Delete the thumbnails of an original everywhere", Args: cobra.MinimumNArgs(1),
		Long: "Delete every thumbnail of an original, in all sizes and formats, from the store, and from\n" +
			"the memory of every edge, the failure memory and the CDN (purge.urls, purge.xkey). An\n" +
			"original is named as in logs: a path, an http URL, or container/path.\n\n" +
			"A purge can be repeated. It ends with 1 when something could not be reached, and says what.",
		Example: "  thumbmill purge a/b.jpg\n  thumbmill purge wikipedia-commons-local-public.ab/a/ab/Cat.jpg --admin http://edge1:8889",
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

// purge is the command under way.
type purge struct {
	at            *client.Client
	out, progress io.Writer
	asJSON        bool
	done, missed  int // originals that were purged; what could not be reached
}

func (p *purge) all(ctx context.Context, originals []string) error {
	for list := range slices.Chunk(originals, operators.MaxOriginals) {
		if err := p.at.PostLines(ctx, operators.Purge, operators.PurgeRequest{Originals: list}, p.note); err != nil {
			return err
		}
	}
	switch {
	case p.done < len(originals):
		return fmt.Errorf("%d of %d originals were purged: the answer broke off", p.done, len(originals))
	case p.missed > 0:
		return errors.New("not everything was reached; purge again when it can be")
	}
	return nil
}

// note counts and shows a line of the answer.
func (p *purge) note(line json.RawMessage) error {
	var r operators.PurgeReport
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	if r.Done {
		p.done++
		p.missed += len(r.Missed) + r.Unnamed
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
	for _, part := range r.Missed {
		_, _ = fmt.Fprintf(p.out, "  not reached: %s\n", strings.TrimSpace(part))
	}
	if r.Unnamed > 0 {
		_, _ = fmt.Fprintf(p.out, "  not reached: %d more\n", r.Unnamed)
	}
}
