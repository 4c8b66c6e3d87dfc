package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/loadtest/tool/fleet"
	"github.com/thumbmill/thumbmill/loadtest/tool/plan"
)

// fleeting is a run of loadtest fleet.
type fleeting struct {
	fleet  fleet.Fleet
	busy   float64
	hits   float64 // for each miss
	costs  string
	output string // of make bench-fleet's benchmarks
	asJSON bool
}

func fleetCommand() *cobra.Command {
	var f fleeting
	cmd := &cobra.Command{
		Use: "fleet", Short: "Compute the load of each role of a large fleet", Args: cobra.NoArgs,
		Long: "Compute the load of edges, coordinators and NATS servers of a large fleet from measured costs, find the\n" +
			"first thing that binds, and simulate waits for slots, also with a site lost.\n\n" +
			"make bench-fleet measures the costs on your machine and writes them to bin/fleet.json.",
		Example: "  loadtest fleet --slots 10000 --edges 100 --sites 3\n  loadtest fleet --slots 2000 --edges 10 --costs bin/fleet.json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return f.answer(cmd) },
	}
	flags := cmd.Flags()
	flags.IntVar(&f.fleet.Slots, "slots", 10_000, "slots of all renderers")
	flags.IntVar(&f.fleet.Each, "each", 8, "slots of one renderer")
	flags.IntVar(&f.fleet.Edges, "edges", 100, "edges of all sites")
	flags.IntVar(&f.fleet.Sites, "sites", 1, "sites with equal shares, each with its own NATS servers")
	flags.IntVar(&f.fleet.Coordinators, "coordinators", 2, "coordinators of each site; one is asked, and the others stand by")
	flags.Float64Var(&f.busy, "busy", .6, "share of the slots' time that renders take")
	flags.Float64Var(&f.hits, "hits", 20, "stored thumbnails for each miss")
	flags.StringVar(&f.costs, "costs", "", "file of make bench-fleet with costs (default: the costs in docs/benchmarks.md)")
	flags.StringVar(&f.output, "benchmarks", "", "output of make bench-fleet's benchmarks, for a table of targets")
	flags.BoolVar(&f.asJSON, "json", false, "print the answer as JSON")
	return cmd
}

// simulated is the simulated time in seconds: longer than other renderers take to get a lost site's jobs.
const simulated = 60

// fleetAnswer is the output of loadtest fleet.
type fleetAnswer struct {
	Misses  float64         `json:"misses_per_second"`
	Loads   []plan.Resource `json:"loads"`
	Binds   string          `json:"binds"`
	At      int             `json:"binds_at_slots"`
	All     plan.Result     `json:"all_sites"`
	Without *plan.Result    `json:"without_one_site,omitempty"`
	Targets []fleet.Target  `json:"targets,omitempty"`
}

func (f *fleeting) answer(cmd *cobra.Command) error {
	if !inside(f.busy, 0, 1) || !(f.hits >= 0 && f.hits < 1e6) {
		return fmt.Errorf("--busy is %v and --hits is %v: write a share between 0 and 1, and a number from 0 to a million", f.busy, f.hits)
	}
	costs := fleet.Measured()
	if f.costs != "" {
		var err error
		if costs, err = fleet.Read(f.costs); err != nil {
			return err
		}
	}
	if err := f.fleet.Validate(); err != nil {
		return err
	}
	profile := fleet.Profile(f.fleet, f.busy)
	f.fleet.Misses, f.fleet.Hits = profile.Rate(), f.hits*profile.Rate()
	a := fleetAnswer{Misses: profile.Rate(), Loads: costs.Loads(f.fleet)}
	first, slots := costs.Binds(f.fleet)
	a.Binds, a.At = first.Name, slots
	if err := f.simulate(profile, &a); err != nil {
		return err
	}
	var err error
	if a.Targets, err = f.targets(); err != nil {
		return err
	}
	if f.asJSON {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(a)
	}
	return f.print(cmd, a)
}

// targets returns the targets with the figures of benchmarks, if their output is given.
func (f *fleeting) targets() ([]fleet.Target, error) {
	if f.output == "" {
		return nil, nil
	}
	text, err := os.Open(f.output)
	if err != nil {
		return nil, err
	}
	defer func() { _ = text.Close() }()
	b, err := fleet.ReadBenchmarks(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.output, err)
	}
	return fleet.Targets(b), nil
}

// simulate simulates the fleet as one pool of slots, also with the loss of one of several sites.
func (f *fleeting) simulate(p plan.Profile, a *fleetAnswer) (err error) {
	rules, target := plan.Cluster{Ahead: 1, QueueWait: 5}, plan.Target{Wait: .5, Share: .95, Refused: .01}
	renderers := f.fleet.Slots / f.fleet.Each
	n := int(min(max(p.Rate()*simulated, 100_000), 3_000_000))
	if a.All, err = plan.Glance(p, rules, plan.Scenario{}, renderers, target, n); err != nil || f.fleet.Sites == 1 {
		return err
	}
	without, err := plan.Glance(p, rules, plan.Scenario{Sites: f.fleet.Sites}, renderers, target, n)
	a.Without = &without
	return err
}

func (f *fleeting) print(cmd *cobra.Command, a fleetAnswer) error {
	out := cmd.OutOrStdout()
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%d slots, %d edges, %d sites with %d coordinators each, %.0f misses and %.0f hits a second\n\n", f.fleet.Slots, f.fleet.Edges, f.fleet.Sites, f.fleet.Coordinators, f.fleet.Misses, f.fleet.Hits)
	for _, r := range a.Loads {
		_, _ = fmt.Fprintf(w, "%s\t%.1f %%\t%s\n", r.Name, 100*r.Use, r.Remedy)
	}
	_, _ = fmt.Fprintf(w, "\nfirst bottleneck: %s, at %d slots\n", a.Binds, a.At)
	row := func(what string, r plan.Result) {
		_, _ = fmt.Fprintf(w, "%s\t%.0f %% busy\tp50 %.0f ms\tp95 %.0f ms\t%s refused\n", what, 100*r.Use, 1000*r.P50, 1000*r.P95, percent(r.Refused))
	}
	row("all sites", a.All)
	if a.Without != nil {
		row("without one site", *a.Without)
	}
	printTargets(w, a.Targets)
	return w.Flush()
}

func printTargets(w io.Writer, targets []fleet.Target) {
	if len(targets) == 0 {
		return
	}
	_, _ = fmt.Fprint(w, "\ntarget\tmeasured\tbound\t\t\n")
	for _, t := range targets {
		bound, figure, met := "at least", "not measured", "missed"
		if t.Most {
			bound = "at most"
		}
		if t.Measured {
			figure = fmt.Sprintf("%.4g", t.Figure)
		}
		if t.Met() {
			met = "met"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s %.4g\t%s\t%s\n", t.Name, figure, bound, t.Bound, t.Unit, met)
	}
}
