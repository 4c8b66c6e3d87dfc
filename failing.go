package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/lease"
)

func failingCommand() *cobra.Command {
	var from admin
	cmd := &cobra.Command{
		Use: "failing", Short: "List originals that fail, or have one tried again", Args: cobra.NoArgs,
		Long: "List the originals that the failure memory holds, the latest first, each with its last\n" +
			"fault. An original that failed throttle.failure.max times is not tried again before\n" +
			"throttle.failure.duration is over, or it is cleared.",
		Example: "  thumbmill failing --admin http://edge1:8889\n  thumbmill failing clear wikipedia-commons-local-public.a9/a/a9/Bad.tiff",
		RunE:    func(cmd *cobra.Command, _ []string) error { return from.failing(cmd) },
	}
	from.flag(cmd)
	cmd.AddCommand(clearCommand())
	return cmd
}

func (a *admin) failing(cmd *cobra.Command) error {
	var answer struct{ Failing []lease.Failing }
	if err := a.decode(cmd.Context(), http.MethodGet, "/api/v1/failing", &answer); err != nil {
		return err
	}
	out := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	w := table{out}
	if len(answer.Failing) == 0 {
		w.row("No original fails.")
		return out.Flush()
	}
	w.row("ORIGINAL", "PAGE", "THUMBNAIL", "FAILURES", "LAST", "FAULT", "WHY")
	for _, f := range answer.Failing {
		w.row(f.Original, f.Page, f.Thumb, f.Failures, f.Last.Local().Format(time.DateTime), f.Fault, f.Message)
	}
	return out.Flush()
}

func clearCommand() *cobra.Command {
	var from admin
	cmd := &cobra.Command{
		Use: "clear ORIGINAL", Short: "Forget the failures of an original, so that it is tried again", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, originals []string) error {
			var answer struct{ Cleared int }
			if err := from.decode(cmd.Context(), http.MethodDelete, "/api/v1/failing?original="+url.QueryEscape(originals[0]), &answer); err != nil {
				return err
			}
			cmd.Printf("%s: forgotten (%d counters)\n", originals[0], answer.Cleared)
			return nil
		},
	}
	from.flag(cmd)
	return cmd
}

// decode asks, and reads the answer's JSON.
func (a *admin) decode(ctx context.Context, method, path string, into any, content ...byte) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	body, err := a.ask(ctx, method, path, content...)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	return json.NewDecoder(body).Decode(into)
}
