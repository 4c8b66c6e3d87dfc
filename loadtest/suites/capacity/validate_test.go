package capacity

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"testing"
	"text/tabwriter"

	"github.com/thumbmill/thumbmill/loadtest/tool/simulator"
)

// result has the sorted waits in seconds, and the refused share.
type result struct {
	waits   []float64
	refused float64
	failed  int // requests that failed without a refusal by the lane
}

func (r result) quantile(q float64) float64 {
	if len(r.waits) == 0 {
		return 0
	}
	return r.waits[min(int(q*float64(len(r.waits))), len(r.waits)-1)]
}

// simulate returns the waits and refusals of all but the abusive client.
func (s setting) simulate(t *testing.T, l load) (r result) {
	t.Helper()
	refused := 0
	s.simulated(t, l.requests, func(d simulator.Done) {
		if l.abuse[d.Request.At] {
			return
		}
		if d.Outcome == simulator.Answered {
			r.waits = append(r.waits, d.Waited)
		} else {
			refused++
		}
	})
	slices.Sort(r.waits)
	r.refused = float64(refused) / float64(max(refused+len(r.waits), 1))
	return r
}

func (s setting) simulated(t *testing.T, requests []simulator.Request, emit func(simulator.Done)) {
	t.Helper()
	sim, err := simulator.New(simulator.Config{Renderers: s.renderers, Slots: s.slots, Ahead: s.ahead, QueueWait: s.wait.Seconds()}, emit)
	if err != nil {
		t.Fatal(err)
	}
	sim.Run(slices.Values(requests))
}

// compare sends the load to the cluster. It records the durations and the turn of a slot in m, and returns
// the requests as recorded, without those that per-ip refused.
func (r *rig) compare(t *testing.T, l load, m *measured) (got result, recorded load) {
	t.Helper()
	answers, began := r.send(l)
	refused := 0
	recorded.abuse = l.abuse
	var kept []answer
	for i, q := range m.with(l.requests) {
		a := answers[i]
		switch {
		case l.abuse[q.At] && a.status != http.StatusOK:
			continue
		case a.status == http.StatusOK:
			q.Render = a.render
		case a.status == http.StatusServiceUnavailable:
			refused++
		default:
			got.failed++
		}
		if a.status == http.StatusOK && !l.abuse[q.At] {
			got.waits = append(got.waits, a.took-a.render-m.lanes[q.Lane].hop)
		}
		recorded.requests, kept = append(recorded.requests, q), append(kept, a)
	}
	slices.Sort(got.waits)
	got.refused = float64(refused) / float64(max(refused+got.failed+len(got.waits), 1))
	m.turn = r.turn(t, recorded.requests, kept, began)
	for i := range recorded.requests {
		recorded.requests[i].Render += m.turn
	}
	return got, recorded
}

// near is the bound: a tenth or ten milliseconds; for refusals a tenth or half a percent.
func near(planned, got, least float64) bool {
	return math.Abs(planned-got) <= max(.1*planned, least)
}

func (r result) near(got result) bool {
	return near(r.quantile(.5), got.quantile(.5), .01) && near(r.quantile(.95), got.quantile(.95), .01) && near(r.refused, got.refused, .005) && got.failed == 0
}

// TestThePlanIsRight needs minutes and the whole machine. It only runs if the environment names a
// file for its table.
func TestThePlanIsRight(t *testing.T) {
	file := os.Getenv("THUMBMILL_VALIDATE")
	if file == "" {
		t.Skip("THUMBMILL_VALIDATE is not set to a file for the table: run `make validate-capacity`")
	}
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(cells ...any) {
		for i, c := range cells {
			_, _ = fmt.Fprint(table, map[bool]string{true: "", false: "\t"}[i == 0], c)
		}
		_, _ = fmt.Fprintln(table)
	}
	row("setting", "renderers", "slots", "mix", "use", "requests", "", "p50 ms", "p95 ms", "refused", "within")
	within := 0
	for i, s := range all() {
		ok := false
		t.Run(s.name, func(t *testing.T) { ok = s.validate(t, uint64(i+1), row) })
		if ok {
			within++
		}
	}
	_ = table.Flush()
	_, _ = fmt.Fprintf(out, "within bounds: %d of %d settings\n", within, len(all()))
	if within < len(all()) {
		t.Fail()
	}
}

// tries bounds the runs of a setting on a disturbed machine.
const tries = 4

// validate compares a setting, and writes its rows.
func (s setting) validate(t *testing.T, seed uint64, row func(...any)) (ok bool) {
	t.Helper()
	for try := 1; try <= tries; try++ {
		awaitQuiet(t)
		disturbed := ""
		t.Run(fmt.Sprint("run ", try), func(t *testing.T) { ok, disturbed = s.once(t, seed, row, try == tries) })
		if disturbed == "" {
			break
		}
		t.Log("again:", disturbed)
		row(s.name, "", "", "", "", "", "again: "+disturbed)
	}
	return ok
}

// once runs a setting, and writes its rows unless the machine was disturbed. The last run always
// counts.
func (s setting) once(t *testing.T, seed uint64, row func(...any), last bool) (ok bool, disturbed string) {
	t.Helper()
	r := s.start(t)
	w := watch(t)
	m := r.measure(t)
	got, recorded := r.compare(t, s.load(seed, s.seconds), &m)
	if what, much := w.disturbed(t); t.Failed() || much && !last {
		return false, what
	}
	line := func(what string, r result, ok string) {
		row("", "", "", "", "", "", what, ms(r.quantile(.5)), ms(r.quantile(.95)), fmt.Sprintf("%.2f %%", 100*r.refused), ok)
	}
	row(s.name, s.renderers, s.slots, s.mix.name, s.use, len(recorded.requests), "cluster", ms(got.quantile(.5)), ms(got.quantile(.95)), fmt.Sprintf("%.2f %%", 100*got.refused), "")
	planned := s.simulate(t, recorded)
	ok = planned.near(got)
	line("planned, same requests", planned, yes(ok))
	if s.independent {
		other := s.simulate(t, load{requests: m.with(s.load(seed+1000, 100*s.seconds).requests)})
		line("planned, independent", other, yes(other.near(got)))
		ok = ok && other.near(got)
	}
	m.log(t)
	return ok, ""
}

func ms(seconds float64) string { return fmt.Sprintf("%.1f", 1000*seconds) }

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}
