package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/shared/directive"
)

// decision is what an operator gives with each directive.
type decision struct {
	admin
	hold     time.Duration
	who, why string
}

func (d *decision) flags(cmd *cobra.Command) {
	d.flag(cmd)
	cmd.Flags().DurationVar(&d.hold, "for", time.Hour, "how long it holds, at most 720h")
	cmd.Flags().StringVar(&d.who, "who", operator(), "who decides, for the log and the page")
	cmd.Flags().StringVar(&d.why, "why", "", "why, for the log and the page (required)")
	_ = cmd.MarkFlagRequired("why") // it is there
}

// operator is the name of who runs the command.
func operator() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// give sends a directive.
func (d *decision) give(cmd *cobra.Command, wish directive.Directive) error {
	wish.Who, wish.Why = d.who, d.why
	content, err := json.Marshal(map[string]any{
		"kind": wish.Kind, "target": wish.Target, "workers": wish.Workers, "max_queue": wish.MaxQueue, "shadow": wish.Shadow,
		"who": wish.Who, "why": wish.Why, "hold": d.hold.String(),
	})
	if err != nil {
		return err
	}
	var given directive.Directive
	if err := d.decode(cmd.Context(), http.MethodPost, "/api/v1/directives", &given, content...); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s holds for %v: %s\n", given.Kind, given.Target, d.hold, given.ID)
	return err
}

// forTarget is a command that gives a directive of one kind for the target that it names.
func forTarget(kind directive.Kind, use, short, example string) *cobra.Command {
	var d decision
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(1), Example: "  thumbmill " + example,
		RunE: func(cmd *cobra.Command, targets []string) error {
			return d.give(cmd, directive.Directive{Kind: kind, Target: targets[0]})
		},
	}
	d.flags(cmd)
	return cmd
}

func (a *admin) directives(ctx context.Context) (all []directive.Directive, err error) {
	var answer struct{ Directives []directive.Directive }
	err = a.decode(ctx, http.MethodGet, "/api/v1/directives", &answer)
	return answer.Directives, err
}

// withdraw ends a directive.
func (a *admin) withdraw(cmd *cobra.Command, id, who string) error {
	var ended directive.Directive
	path := "/api/v1/directives/" + url.PathEscape(id) + "?who=" + url.QueryEscape(who)
	if err := a.decode(cmd.Context(), http.MethodDelete, path, &ended); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s no longer holds\n", ended.Kind, ended.Target)
	return err
}

func withdrawCommand() *cobra.Command {
	var from admin
	var who string
	cmd := &cobra.Command{
		Use: "withdraw ID", Short: "End a directive before its time", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, ids []string) error { return from.withdraw(cmd, ids[0], who) },
	}
	from.flag(cmd)
	cmd.Flags().StringVar(&who, "who", operator(), "who withdraws it")
	return cmd
}

// ofTarget finds the directives of a kind that hold for a target.
func (a *admin) ofTarget(ctx context.Context, kind directive.Kind, target string) ([]directive.Directive, error) {
	all, err := a.directives(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(d directive.Directive) bool { return d.Kind != kind || d.Target != target })
	if len(all) == 0 {
		return nil, errors.New("no directive of kind " + string(kind) + " holds for " + target)
	}
	return all, nil
}
