package commands

import (
	"fmt"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const (
	// A client stands out with such a share of refusals or of the renderers' time, and so many a second.
	outstandingRefusals, outstandingWork = 0.3, 0.5
	leastRefusals, leastAsked            = 0.5, 2.0
	hourMinute                           = "15:04"
	// oldJob is the age from which a lane is behind.
	oldJob = 2000 // milliseconds
)

// attention writes a sentence for each problem, with the action.
func (s sections) attention(t coordinator.Throttles) {
	all := slices.Concat(ofEdges(t), ofRenderers(t), ofClients(t), ofLanes(t), ofFailing(t))
	if len(all) == 0 {
		all = []string{"All is well: no client stands out, no lane is behind, no original fails."}
	}
	for _, sentence := range all {
		s.out.Row(sentence)
	}
	s.out.Row()
}

func ofClients(t coordinator.Throttles) (all []string) {
	for _, c := range t.Clients {
		if c.Refused < leastRefusals || c.RefusedShare < outstandingRefusals {
			if c.WorkShare < outstandingWork || c.Asked < leastAsked {
				continue
			}
		}
		all = append(all, fmt.Sprintf("WARNING  %s: %.0f %% of refusals, %.0f %% of render time since %s: block",
			unescaped(c.Name), 100*c.RefusedShare, 100*c.WorkShare, c.Since.Local().Format(hourMinute)))
	}
	return all
}

func ofRenderers(t coordinator.Throttles) (all []string) {
	live := 0
	for _, r := range t.Renderers {
		if !r.Draining {
			live++
		} else {
			all = append(all, fmt.Sprintf("NOTE     %s drains", r.Renderer))
		}
	}
	switch {
	case live == 0:
		all = append(all, "CRITICAL no renderer takes jobs: nothing new is rendered: start one")
	case t.Wanted > live:
		all = append(all, fmt.Sprintf("WARNING  %d renderers take jobs, and the demand needs %d: add %d", live, t.Wanted, t.Wanted-live))
	}
	return all
}

func ofLanes(t coordinator.Throttles) (all []string) {
	for _, l := range t.Lanes {
		switch {
		case l.Paused:
			all = append(all, fmt.Sprintf("WARNING  the lane %s is paused: throttle withdraw ends the pause", l.Name))
		case l.AgeMS > oldJob && l.Name != string(renderjob.LaneBulk):
			all = append(all, fmt.Sprintf("WARNING  the lane %s is behind: its oldest job is %v old, and %d requests are in line for %d places", l.Name, milliseconds(l.AgeMS).Round(time.Second), l.Waiting, l.Limit))
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
	return []string{fmt.Sprintf("NOTE     %s (%s) failed %d times%s; %d originals fail: failing clear", f.Original, f.Fault, f.Failures, again, len(t.Failing))}
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
		for _, breaker := range notClosed(e.Status.Breakers) {
			all = append(all, fmt.Sprintf("CRITICAL %s pauses calls to a part that fails: %s", e.Name, breaker))
		}
	}
	if connected == 0 {
		all = append(all, "CRITICAL no edge is connected to this coordinator")
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
