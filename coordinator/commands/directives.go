package commands

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/commandline"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/client"
)

// decision has the flags of a command that gives directives.
type decision struct {
	to       client.Client
	hold     time.Duration
	who, why string
}

func (d *decision) addFlags(cmd *cobra.Command) {
	d.to.AddFlags(cmd)
	cmd.Flags().DurationVar(&d.hold, "for", time.Hour, fmt.Sprintf("time in force, at most %.0fh", directive.Longest.Hours()))
	cmd.Flags().StringVar(&d.who, "who", operator(), "name of the operator, for the log and the page")
	cmd.Flags().StringVar(&d.why, "why", "", "reason, for the log and the page (required)")
	_ = cmd.MarkFlagRequired("why") // the flag exists
}

// operator returns the name of the user that runs the command.
func operator() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// give sends a directive.
func (d *decision) give(cmd *cobra.Command, wish operators.DirectiveRequest) error {
	wish.Who, wish.Why = d.who, d.why
	wish.HoldsFor(d.hold)
	var given directive.Directive
	if err := d.to.Post(cmd.Context(), operators.Directives, wish, &given); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "give directive %s %s for %v, ID %s\n", given.Kind, given.Target, d.hold, given.ID)
	return err
}

// forTarget makes a command that gives a directive of one kind for its argument.
func forTarget(kind directive.Kind, use, short, example string) *cobra.Command {
	var d decision
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1), Example: "  thumbmill " + example,
		RunE: func(cmd *cobra.Command, targets []string) error {
			return d.give(cmd, operators.DirectiveRequest{Kind: kind, Target: targets[0]})
		},
	}
	d.addFlags(cmd)
	return cmd
}

// withdrawal has the flags of a command that ends directives before their time.
type withdrawal struct {
	from client.Client
	who  string
}

func (w *withdrawal) addFlags(cmd *cobra.Command) {
	w.from.AddFlags(cmd)
	cmd.Flags().StringVar(&w.who, "who", operator(), "name of the operator, for the log")
}

func (w *withdrawal) withdraw(cmd *cobra.Command, id string) error {
	var ended directive.Directive
	path := operators.Directives + "/" + url.PathEscape(id) + "?who=" + url.QueryEscape(w.who)
	if err := w.from.Delete(cmd.Context(), path, &ended); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "withdraw directive %s %s\n", ended.Kind, ended.Target)
	return err
}

// forTargetOf returns the directives of a kind in force for a target, at least one, or an error.
func forTargetOf(ctx context.Context, from *client.Client, kind directive.Kind, target string) (found []directive.Directive, err error) {
	var list operators.DirectiveList
	if err := from.Get(ctx, operators.Directives, &list); err != nil {
		return nil, err
	}
	var others []string
	for _, d := range list.Directives {
		switch {
		case d.Kind != kind:
		case d.Target == target:
			found = append(found, d)
		default:
			others = append(others, d.Target)
		}
	}
	if len(found) == 0 {
		slices.Sort(others)
		return nil, commandline.NothingThere{Err: fmt.Errorf("no directive of kind %s is in force for %s; directives of this kind are in force for: %s", kind, target, cmp.Or(strings.Join(slices.Compact(others), ", "), "nothing"))}
	}
	return found, nil
}
