package commands

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	// A client stands out with such a share of refusals or of the renderers' time, and so many a second.
	outstandingRefusals, outstandingWork = 0.3, 0.5
	leastRefusals, leastAsked            = 0.5, 2.0
	hourMinute                           = "15:04"
	// oldJob is the age from which a lane is behind.
	oldJob = 2000 // milliseconds
)

// The severities of a problem, as the page has them. The text after them begins in one column.
const (
	critical = "CRITICAL "
	warning  = "WARNING  "
	note     = "NOTE     "
	indent   = "         "
)

// isSentence reports whether a line is a sentence about a problem.
func isSentence(line string) bool {
	return strings.HasPrefix(line, critical) || strings.HasPrefix(line, warning) || strings.HasPrefix(line, note)
}

// attention writes a sentence for each problem, with the action.
func (s sections) attention(t coordinator.Throttles) {
	all := slices.Concat(ofEdges(t), ofRenderers(t), ofClients(t), ofThrottles(t), ofLanes(t), ofFailing(t))
	order := []string{critical, warning, note}
	slices.SortStableFunc(all, func(a, b string) int {
		return slices.Index(order, a[:len(indent)]) - slices.Index(order, b[:len(indent)])
	})
	if len(all) == 0 {
		all = []string{"All is well: no client stands out, no lane is behind, no original fails."}
	}
	for _, sentence := range all {
		s.out.Row(sentence)
	}
	s.out.Row()
}

// outstanding reports whether a client takes so much that it explains refusals.
func outstanding(c coordinator.Client) bool {
	return c.Refused >= leastRefusals && c.RefusedShare >= outstandingRefusals || c.WorkShare >= outstandingWork && c.Asked >= leastAsked
}

func ofClients(t coordinator.Throttles) (all []string) {
	for _, c := range t.Clients {
		if outstanding(c) {
			all = append(all, fmt.Sprintf(warning+"%s has %.0f %% of all refusals and %.0f %% of the renderers' time since %s: thumbmill throttle block %[1]s",
				unescaped(c.Name), 100*c.RefusedShare, 100*c.WorkShare, c.Since.Local().Format(hourMinute)))
		}
	}
	return all
}

// ofThrottles tells of refusals that no outstanding client explains. A client never explains refusals by
// an edge without a coordinator.
func ofThrottles(t coordinator.Throttles) (all []string) {
	explained := slices.ContainsFunc(t.Clients, outstanding)
	for _, row := range throttle.All() {
		if explained && row.Name != throttle.Local {
			continue
		}
		severity := warning
		if row.Name == throttle.Local {
			severity = critical
		}
		if n := t.Refusals[string(row.Name)]; n >= 0.05 && row.Name != throttle.Failure {
			all = append(all, fmt.Sprintf("%s%s refuses %.1f requests a second. %s To change this, %s.", severity, row.Name, n, row.Meaning, row.Remedy))
		}
	}
	return all
}

func ofRenderers(t coordinator.Throttles) (all []string) {
	live := 0
	for _, r := range t.Renderers {
		if !r.Draining {
			live++
		} else {
			all = append(all, note+r.Renderer+" drains")
		}
	}
	switch {
	case live == 0:
		all = append(all, critical+"no renderer takes jobs: nothing new is rendered: start one")
	case t.Wanted > live:
		all = append(all, fmt.Sprintf(warning+"%s, and the demand needs %d: add %d", many(live, "renderer takes jobs", "renderers take jobs"), t.Wanted, t.Wanted-live))
	}
	return all
}

func ofLanes(t coordinator.Throttles) (all []string) {
	for _, l := range t.Lanes {
		switch {
		case l.Paused:
			all = append(all, fmt.Sprintf(warning+"the lane %s is paused: thumbmill throttle withdraw ends the pause", l.Name))
		case l.AgeMS > oldJob && l.Name != string(renderjob.LaneBulk):
			all = append(all, fmt.Sprintf(warning+"the lane %s is behind: its oldest job is %v old, and %d requests are in line for %d places", l.Name, milliseconds(l.AgeMS).Round(time.Second), l.Waiting, l.Limit))
		}
	}
	return all
}

func ofFailing(t coordinator.Throttles) (all []string) {
	if len(t.Failing) == 0 {
		return nil
	}
	f := t.Failing[0]
	again := ""
	if !f.Again.IsZero() {
		again = ", refused until " + f.Again.Local().Format(hourMinute)
	}
	others := ""
	if n := len(t.Failing) - 1; n > 0 {
		others = fmt.Sprintf("; %s too", many(n, "other original fails", "other originals fail"))
	}
	return []string{fmt.Sprintf(note+"%s (%s) failed %s%s%s: thumbmill failing clear %[1]s", f.Original, f.Fault, many(f.Failures, "time", "times"), again, others)}
}

// many writes a number with its noun.
func many(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", more)
}

func ofEdges(t coordinator.Throttles) (all []string) {
	connected := 0
	for _, e := range t.Edges {
		if e.Connected {
			connected++
		}
		if e.Status == nil {
			continue
		}
		if e.Connected && e.Status.Asked == "" {
			all = append(all, fmt.Sprintf(critical+"no coordinator answers %s", e.Name))
		}
		for _, breaker := range notClosed(e.Status.Breakers) {
			all = append(all, fmt.Sprintf(critical+"%s pauses calls to a part that fails: %s", e.Name, breaker))
		}
	}
	if connected == 0 {
		all = append(all, critical+"no edge is connected to this coordinator")
	}
	return all
}

// clients writes the clients with the largest shares, each once.
func (s sections) clients(t coordinator.Throttles, most int) {
	if len(t.Clients) == 0 {
		return
	}
	s.out.Section("CLIENT", "REFUSED/S", "OF REFUSALS", "OF RENDERERS", "SINCE")
	for _, c := range t.Clients[:min(len(t.Clients), most)] {
		s.out.Row(unescaped(c.Name), fmt.Sprintf("%.1f", c.Refused), fmt.Sprintf("%.0f %%", 100*c.RefusedShare), fmt.Sprintf("%.0f %%", 100*c.WorkShare), c.Since.Local().Format(time.TimeOnly))
	}
}
