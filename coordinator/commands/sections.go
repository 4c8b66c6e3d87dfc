package commands

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/operators/table"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	// reportPools bounds the pools in the whole report.
	reportPools = 20
	// busiestRows bounds the rows of each list of busiest clients or originals.
	busiestRows = 5
)

// sections writes the sections of a report.
type sections struct{ out table.Table }

// report writes all sections.
func (s sections) report(t coordinator.Throttles) {
	s.attention(t)
	s.classes(t)
	s.clients(t, busiestRows)
	s.pools(t, reportPools)
	s.out.Row()
	s.lanes(t)
	s.out.Row()
	s.renderers(t)
	s.versions(t)
	s.out.Row()
	s.rules(t)
	s.differing(t)
	s.busiest("BUSIEST CLIENTS", t.Busiest.Clients)
	s.busiest("REFUSED CLIENTS", t.Busiest.RefusedClients)
	s.busiest("BUSIEST ORIGINALS", t.Busiest.Originals)
	s.busiest("REFUSED ORIGINALS", t.Busiest.RefusedOriginals)
	s.costly(t)
	s.edges(t)
	s.directives(t.Directives)
	s.failing(t)
}

func (s sections) classes(t coordinator.Throttles) {
	s.out.Row("THROTTLE", "HELD", "WAITING", "FULL", "TIMED OUT", "NEAR LIMIT", "SHADOWED")
	for _, class := range slices.Sorted(maps.Keys(t.Classes)) {
		c := t.Classes[class]
		s.out.Row(class, c.Holders, c.Waiters, c.Full, c.TimedOut, c.NearLimit, c.Shadowed)
	}
	s.out.Row("Totals count since " + t.Started.Local().Format(time.DateTime) + ".")
}

func (s sections) pools(t coordinator.Throttles, most int) {
	if len(t.Pools) == 0 {
		s.out.Section("No request holds or waits for a place.")
		return
	}
	s.out.Section("POOL", "HELD", "WAITING", "LIMIT", "QUEUE", "OLDEST WAIT")
	for _, p := range t.Pools[:min(len(t.Pools), most)] {
		name := cmp.Or(p.Name, poolcounter.Unescaped(p.Key)) // older coordinators send no name
		if p.Shadow {
			name += " (shadow)"
		}
		s.out.Row(name, p.Holders, p.Waiters, limit(p.Limit), limit(p.MaxQueue), milliseconds(p.OldestWait))
	}
	if more := max(0, len(t.Pools)-most) + t.Omitted; more > 0 {
		s.out.Row(fmt.Sprintf("and %d more", more))
	}
}

func (s sections) lanes(t coordinator.Throttles) {
	s.out.Row("LANE", "QUEUED", "OLDEST", "ADMITTED", "WAITING", "LIMIT", "SLOTS", "STATE")
	for _, l := range t.Lanes {
		state := "open"
		if l.Paused {
			state = "paused"
		}
		s.out.Row(l.Name, l.Depth, milliseconds(l.AgeMS), l.Running, l.Waiting, l.Limit, l.Slots, state)
	}
}

func (s sections) renderers(t coordinator.Throttles) {
	s.out.Row("RENDERER", "BUSY", "SLOTS", "USE", "IN HAND", "ENGINE", "KILLED", "STATE")
	for _, r := range t.Renderers {
		var killed int64
		for _, n := range r.Kills {
			killed += n
		}
		s.out.Row(r.Renderer, r.Busy, r.Slots, fmt.Sprintf("%.0f %%", 100*r.Utilisation), r.InHand, r.EngineVersion, killed, state(r))
	}
	s.out.Row(many(t.Wanted, "renderer is wanted", "renderers are wanted") + " for the demand.")
}

// versions lists the libraries and tools that the renderers draw with; where versions differ,
// each has its number of renderers.
func (s sections) versions(t coordinator.Throttles) {
	renderers := map[string]map[string]int{} // by component and version
	for _, r := range t.Renderers {
		for name, version := range r.Versions {
			if renderers[name] == nil {
				renderers[name] = map[string]int{}
			}
			renderers[name][version]++
		}
	}
	if len(renderers) == 0 {
		return
	}
	s.out.Section("COMPONENT", "VERSION")
	for _, name := range slices.Sorted(maps.Keys(renderers)) {
		s.out.Row(name, strings.Join(withCounts(renderers[name]), ", "))
	}
}

// withCounts lists versions, each with its number of renderers if there are several versions.
func withCounts(renderers map[string]int) (all []string) {
	for _, version := range slices.Sorted(maps.Keys(renderers)) {
		text := version
		if len(renderers) > 1 {
			text += fmt.Sprintf(" on %d", renderers[version])
		}
		all = append(all, text)
	}
	return all
}

func state(r renderjob.Heartbeat) string {
	switch {
	case r.Directed:
		return "drains: a directive"
	case r.Draining:
		return "stops"
	}
	return "takes jobs, confined by " + strings.Join(r.Layers, " ")
}

func (s sections) rules(t coordinator.Throttles) {
	s.out.Row("RULE", "WORKERS", "MAX QUEUE", "MODE")
	for _, r := range t.Rules {
		mode := "enforced"
		if r.Shadow {
			mode = "shadow"
		}
		if r.Directed {
			mode += ", by a directive"
		}
		s.out.Row(r.Name, r.Workers, r.MaxQueue, mode)
	}
}

// differing warns of edges whose settings differ from the settings of other edges.
func (s sections) differing(t coordinator.Throttles) {
	for _, r := range t.Rules {
		for _, edge := range slices.Sorted(maps.Keys(r.Differing)) {
			d := r.Differing[edge]
			s.out.Row(fmt.Sprintf("! %s has %d workers, %d max_queue for %s; the lowest is in force: %d, %d", edge, d.Workers, d.MaxQueue, r.Name, r.Workers, r.MaxQueue))
		}
	}
}

func (s sections) busiest(title string, all []coordinator.Busy) {
	if len(all) == 0 {
		return
	}
	s.out.Section(title, "REQUESTS", "THROTTLE")
	for _, b := range all[:min(len(all), busiestRows)] {
		s.out.Row(poolcounter.Unescaped(b.Name), b.Count, throttleName(b.By))
	}
}

// costly lists the originals whose renders took most processor time.
func (s sections) costly(t coordinator.Throttles) {
	all := t.Busiest.CostlyOriginals
	for i, b := range all[:min(len(all), busiestRows)] {
		if i == 0 {
			s.out.Section("COSTLY ORIGINALS", "PROCESSOR SECONDS")
		}
		s.out.Row(poolcounter.Unescaped(b.Name), fmt.Sprintf("%.1f", float64(b.Count)/1000))
	}
}

func (s sections) edges(t coordinator.Throttles) {
	s.out.Section("EDGE", "CONNECTED", "LEASES", "WAITING", "COORDINATOR", "BREAKERS NOT CLOSED")
	for _, e := range t.Edges {
		asks, open := "", []string{}
		if e.Status != nil {
			asks, open = e.Status.Asked, notClosed(e.Status.Breakers)
		}
		s.out.Row(e.Name, e.Connected, e.Leases, e.Waiting, asks, strings.Join(open, ", "))
	}
}

// notClosed lists breakers that are not closed, with their states.
func notClosed(breakers map[string]string) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(breakers)) {
		if state := breakers[name]; state != "closed" {
			all = append(all, name+" "+state)
		}
	}
	return all
}

func (s sections) directives(all []directive.Directive) {
	if len(all) == 0 {
		return
	}
	s.out.Section("DIRECTIVE", "TARGET", "LIMITS", "TIME LEFT", "OPERATOR", "REASON", "ID")
	for _, d := range all {
		limits := ""
		if d.Kind == directive.Limit {
			limits = fmt.Sprintf("%s, %s", limit(d.Workers), limit(d.MaxQueue))
			if d.Shadow != nil {
				limits += map[bool]string{true: ", shadow", false: ", enforced"}[*d.Shadow]
			}
		}
		s.out.Row(d.Kind, d.Target, limits, milliseconds(d.LeftMS).Round(time.Second), d.Who, d.Why, d.ID)
	}
}

func (s sections) failing(t coordinator.Throttles) {
	if len(t.Failing) == 0 {
		return
	}
	s.out.Section("FAILING ORIGINAL", "FAILURES", "FAULT", "MESSAGE")
	for _, f := range t.Failing {
		s.out.Row(f.Original, f.Failures, f.Fault, f.Message)
	}
}

// rates writes the rates in one line, the highest first.
func (s sections) rates(title string, rates map[string]float64) {
	text, total := "", 0.0
	for _, name := range slices.SortedFunc(maps.Keys(rates), func(a, b string) int { return cmp.Or(cmp.Compare(rates[b], rates[a]), cmp.Compare(a, b)) }) {
		if total += rates[name]; rates[name] >= 0.05 {
			text += fmt.Sprintf("  %s %.1f", name, rates[name])
		}
	}
	s.out.Row(fmt.Sprintf("%s %.1f%s", title, total, text))
}

// throttleName writes the class of a pool, or one lane such as lane:bulk, with the throttle's name.
func throttleName(class string) string {
	name := throttle.All().OfKey(class)
	if name == throttle.Other {
		return class
	}
	_, lane, _ := strings.Cut(class, ":")
	return strings.TrimSuffix(string(name)+":"+lane, ":")
}

// limit writes a limit of the table, or - for a pool without limits: PoolCounter's clients state their
// own.
func limit(n uint32) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
