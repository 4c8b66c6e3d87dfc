package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/coordinator"
)

const askTimeout = 10 * time.Second

func statusCommand() *cobra.Command {
	var from admin
	var watch, asJSON bool
	cmd := &cobra.Command{
		Use: "status", Short: "Show what is throttled, and why", Args: cobra.NoArgs,
		Long: "Show the pools of a coordinator with who holds and who waits, refusals, the busiest\n" +
			"clients and originals of the last minutes, lanes, renderers, edges, what operators decided\n" +
			"for a time, and what fails. `thumbmill top` shows the busiest of all that, live.",
		Example: "  thumbmill status\n  thumbmill status --watch --admin http://coordinator1:8889\n  thumbmill status --json | jq .classes",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd)
			defer stop()
			if watch {
				return from.keepWatching(ctx, reports{cmd.OutOrStdout(), asJSON, table.report})
			}
			return from.status(ctx, reports{cmd.OutOrStdout(), asJSON, table.report})
		},
	}
	from.flag(cmd)
	cmd.Flags().BoolVar(&watch, "watch", false, "again every second, until Ctrl-C")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the JSON of /api/v1/throttles, one line a report")
	return cmd
}

// reports is where reports are shown, and how.
type reports struct {
	out    io.Writer
	asJSON bool
	write  func(table, coordinator.Throttles)
}

func (a *admin) status(ctx context.Context, to reports) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	body, err := a.ask(ctx, http.MethodGet, "/api/v1/throttles")
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	return to.show(text)
}

var errStreamEnded = errors.New("the stream ended")

// keepWatching watches again when a coordinator that answered once restarts.
func (a *admin) keepWatching(ctx context.Context, to reports) error {
	err := a.watch(ctx, to)
	for answered := errors.Is(err, errStreamEnded); answered && err != nil && ctx.Err() == nil; err = a.watch(ctx, to) {
		_, _ = fmt.Fprintf(os.Stderr, "%s: %v; trying again\n", a.base, err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// silence after which a stream, which brings a report a second, is given up.
const silence = 5 * time.Second

// watch shows each report of the stream.
func (a *admin) watch(ctx context.Context, to reports) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	body, err := a.ask(ctx, http.MethodGet, "/api/v1/throttles/stream")
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadString('\n')
		watchdog.Reset(silence)
		if err != nil {
			return errStreamEnded
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		if !to.asJSON {
			_, _ = fmt.Fprint(to.out, "\x1b[H\x1b[2J") // clear the screen
		}
		if err := to.show([]byte(data)); err != nil {
			return err
		}
	}
}

func (to reports) show(text []byte) error {
	if to.asJSON {
		_, err := fmt.Fprintf(to.out, "%s\n", strings.TrimSpace(string(text)))
		return err
	}
	var t coordinator.Throttles
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("the answer is no report: %w", err)
	}
	w := tabwriter.NewWriter(to.out, 0, 0, 2, ' ', 0)
	to.write(table{w}, t)
	return w.Flush()
}

// table writes sections of columns.
type table struct{ out io.Writer }

func (w table) row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			_, _ = fmt.Fprint(w.out, "\t")
		}
		_, _ = fmt.Fprint(w.out, clean(fmt.Sprint(cell)))
	}
	_, _ = fmt.Fprintln(w.out)
}

// clean keeps what strangers named from steering the terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

func (w table) report(t coordinator.Throttles) {
	w.row("CLASS", "HELD", "WAITING", "FULL", "TIMED OUT", "NEAR LIMIT", "SHADOWED", fmt.Sprintf("(totals since %s)", t.Started.Local().Format(time.DateTime)))
	for _, class := range slices.Sorted(maps.Keys(t.Classes)) {
		c := t.Classes[class]
		w.row(class, c.Holders, c.Waiters, c.Full, c.TimedOut, c.NearLimit, c.Shadowed)
	}
	w.pools(t, shownPools)
	w.row()
	w.lanes(t)
	w.row()
	w.renderers(t)
	w.row()
	w.rules(t)
	for _, r := range t.Rules {
		for _, edge := range slices.Sorted(maps.Keys(r.Differing)) {
			d := r.Differing[edge]
			w.row(fmt.Sprintf("! %s has %d workers, %d max_queue for %s; the lowest holds: %d, %d", edge, d.Workers, d.MaxQueue, r.Name, r.Workers, r.MaxQueue))
		}
	}
	w.busiest("BUSIEST CLIENTS", t.Busiest.Clients)
	w.busiest("REFUSED CLIENTS", t.Busiest.RefusedClients)
	w.busiest("BUSIEST ORIGINALS", t.Busiest.Originals)
	w.busiest("REFUSED ORIGINALS", t.Busiest.RefusedOriginals)
	w.edges(t)
	w.directives(t.Directives)
	if len(t.Failing) > 0 {
		w.row()
		w.row("FAILING ORIGINAL", "FAILURES", "FAULT", "WHY")
		for _, f := range t.Failing {
			w.row(f.Original, f.Failures, f.Fault, f.Message)
		}
	}
}

func (w table) lanes(t coordinator.Throttles) {
	w.row("LANE", "QUEUED", "OLDEST", "ADMITTED", "WAITING", "LIMIT", "SLOTS", "STATE")
	for _, l := range t.Lanes {
		state := "open"
		if l.Paused {
			state = "paused"
		}
		w.row(l.Name, l.Depth, time.Duration(l.AgeMS)*time.Millisecond, l.Running, l.Waiting, l.Limit, l.Slots, state)
	}
}

const shownPools = 20

func (w table) pools(t coordinator.Throttles, most int) {
	if len(t.Pools) == 0 {
		w.row()
		w.row("Nobody holds or waits.")
		return
	}
	w.row()
	w.row("POOL", "HELD", "WAITING", "LIMIT", "QUEUE", "OLDEST WAIT")
	for _, p := range t.Pools[:min(len(t.Pools), most)] {
		name := p.Key
		if unescaped, err := url.QueryUnescape(p.Key); err == nil {
			name = unescaped
		}
		if p.Shadow {
			name += " (shadow)"
		}
		w.row(name, p.Holders, p.Waiters, limit(p.Limit), limit(p.MaxQueue), time.Duration(p.OldestWait)*time.Millisecond)
	}
	if more := max(0, len(t.Pools)-most) + t.Omitted; more > 0 {
		w.row(fmt.Sprintf("and %d more", more))
	}
}

// limit writes one that is the table's; PoolCounter's clients state their own.
func limit(n uint32) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func (w table) busiest(title string, all []coordinator.Busy) {
	if len(all) == 0 {
		return
	}
	w.row()
	w.row(title, "(of the last minutes)")
	for _, b := range all[:min(len(all), 5)] {
		name, err := url.QueryUnescape(b.Name)
		if err != nil {
			name = b.Name
		}
		w.row(name, b.Count, b.By)
	}
}

func (w table) edges(t coordinator.Throttles) {
	w.row()
	w.row("EDGE", "CONNECTED", "LEASES", "WAITING", "ASKS", "BREAKERS NOT CLOSED")
	for _, e := range t.Edges {
		asks, open := "", []string{}
		if e.Status != nil {
			asks = e.Status.Asked
			for _, name := range slices.Sorted(maps.Keys(e.Status.Breakers)) {
				if state := e.Status.Breakers[name]; state != "closed" {
					open = append(open, name+" "+state)
				}
			}
		}
		w.row(e.Name, e.Connected, e.Leases, e.Waiting, asks, strings.Join(open, ", "))
	}
}
