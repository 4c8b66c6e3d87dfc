package commands

import (
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/client"
	"github.com/thumbmill/thumbmill/shared/operators/table"
)

func failingCommand() *cobra.Command {
	var from client.Client
	cmd := &cobra.Command{
		Use: "failing", Short: "List failing originals, or clear one of them",
		Long: "List the originals that the failure memory holds, the latest first, each with its last\n" +
			"fault. After throttle.failure.max failures, edges refuse an original until\n" +
			"throttle.failure.duration has passed since the first of them, or until an\n" +
			"operator clears it.",
		Example: "  thumbmill failing --admin http://edge1:8889\n  thumbmill failing clear wikipedia-commons-local-public.a9/a/a9/Bad.tiff",
		RunE:    func(cmd *cobra.Command, _ []string) error { return listFailing(cmd, &from) },
	}
	from.AddFlags(cmd)
	cmd.AddCommand(clearCommand())
	return cmd
}

func listFailing(cmd *cobra.Command, from *client.Client) error {
	var list operators.FailingList
	if err := from.Get(cmd.Context(), operators.Failing, &list); err != nil {
		return err
	}
	out := table.New(cmd.OutOrStdout())
	if len(list.Failing) == 0 {
		out.Row("No original is failing.")
		return out.Flush()
	}
	out.Row("ORIGINAL", "PAGE", "THUMBNAIL", "FAILURES", "LAST", "REFUSED UNTIL", "FAULT", "WHY")
	for _, f := range list.Failing {
		out.Row(f.Original, f.Page, f.Thumb, f.Failures, f.Last.Local().Format(time.DateTime), refusedUntil(f), f.Fault, f.Message)
	}
	return out.Flush()
}

func refusedUntil(f lease.Failing) string {
	if f.Again.IsZero() {
		return "-"
	}
	return f.Again.Local().Format(time.DateTime)
}

func clearCommand() *cobra.Command {
	var at client.Client
	cmd := &cobra.Command{
		Use: "clear ORIGINAL", Short: "Forget an original's failures, so that it gets another try", Args: cobra.ExactArgs(1),
		Long: "Forget an original's failures, so that it gets another try. Name the original as\n`thumbmill failing` lists it.",
		RunE: func(cmd *cobra.Command, originals []string) error {
			var cleared operators.Cleared
			if err := at.Delete(cmd.Context(), operators.Failing+"?original="+url.QueryEscape(originals[0]), &cleared); err != nil {
				return err
			}
			cmd.Printf("%s: forgotten (%d counters)\n", originals[0], cleared.Counters)
			return nil
		},
	}
	at.AddFlags(cmd)
	return cmd
}
