package problems

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// oldJob is the age of its oldest job from which a lane is behind.
const oldJob = 2 * time.Second

func (f *finder) ofEdges() {
	if !f.connected() {
		f.say(snapshot.Problem{Severity: snapshot.Critical, Remedy: "start an edge, with this coordinator in its coordinator.servers", Page: "edges"}, "No edge is connected to this coordinator.")
	}
	asked := map[string]bool{}
	for _, e := range f.t.Edges {
		if e.Status == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(e.Status.Breakers)) {
			if state := e.Status.Breakers[name]; state != "closed" {
				f.say(snapshot.Problem{Severity: snapshot.Critical, Remedy: "repair " + name + " or the way to it", Who: e.Name, Page: "edges"}, "%s pauses calls to %s, which fails (breaker %s).", e.Name, name, state)
			}
		}
		switch {
		case e.Connected && e.Status.Asked == "":
			f.say(snapshot.Problem{Severity: snapshot.Critical, Remedy: "start a coordinator of its coordinator.servers, or repair the way to it", Who: e.Name, Page: "coordinators"}, "No coordinator answers %s.", e.Name)
		case e.Connected:
			asked[e.Status.Asked] = true
		}
	}
	if len(asked) > 1 {
		f.say(snapshot.Problem{Severity: snapshot.Critical, Remedy: "give all edges the same list in coordinator.servers, and repair the way to its first one", Page: "coordinators"},
			"Edges ask different coordinators (%s): each enforces its limits alone.", strings.Join(slices.Sorted(maps.Keys(asked)), ", "))
	}
}

func (f *finder) connected() bool {
	return slices.ContainsFunc(f.t.Edges, func(e snapshot.Edge) bool { return e.Connected })
}

// ofRules tells of edges that differ. Lanes' limits differ while each edge learns the speed of the lanes.
func (f *finder) ofRules() {
	for _, r := range f.t.Rules {
		if of, _ := throttle.OfRule(r.Name); len(r.Differing) > 0 && of != throttle.Lane {
			f.say(snapshot.Problem{Severity: snapshot.Warning, Remedy: "give all edges the same settings throttle", Who: r.Name, Page: "throttles"}, "Edges have different limits for %s; the lowest is in force.", r.Name)
		}
	}
}

// live is the number of renderers that take jobs.
func live(t *snapshot.Throttles) (n int) {
	for _, r := range t.Renderers {
		if !r.Draining {
			n++
		}
	}
	return n
}

// takesJobs says how many renderers take jobs.
func takesJobs(n int) string {
	if n == 1 {
		return "1 takes"
	}
	return count(n) + " take"
}

func (f *finder) ofRenderers() {
	n := live(f.t)
	switch {
	case n == 0 && f.connected(): // without an edge, no heartbeat arrives
		f.say(snapshot.Problem{Severity: snapshot.Critical, Remedy: "start a renderer", Since: f.history.Since("live", func(v float64) bool { return v == 0 }), Page: "renderers"},
			"No renderer takes jobs: nothing new is rendered.")
	case n > 0 && f.t.Wanted > n:
		f.say(snapshot.Problem{Severity: snapshot.Warning, Remedy: "add " + many(f.t.Wanted-n, "renderer"), Since: f.history.Since("wanted", above(float64(n))), Page: "renderers"},
			"The demand needs %s, and %s jobs.", many(f.t.Wanted, "renderer"), takesJobs(n))
	}
	for _, r := range f.t.Renderers {
		if r.Draining {
			why := ""
			if r.Directed {
				why = ": an operator told it to"
			}
			f.say(snapshot.Problem{Severity: snapshot.Note, Who: r.Renderer, Page: "renderers"}, "%s drains%s.", r.Renderer, why)
		}
	}
}

func (f *finder) ofFailing() {
	all := f.t.Failing
	if len(all) == 0 {
		return
	}
	latest := all[0]
	var names []string
	for _, one := range all {
		names = append(names, fmt.Sprintf("%s (%s)", one.Original, one.Fault))
	}
	attempts := ""
	if latest.Again.IsZero() && latest.Limit > 0 {
		attempts = fmt.Sprintf(" %d of %d attempts; then refused.", latest.Failures, latest.Limit)
	}
	sentence := names[0] + " fails."
	if len(all) > 1 {
		sentence = fmt.Sprintf("%d originals fail: %s. The latest:", len(all), some(names, 2))
	}
	f.say(snapshot.Problem{
		Severity: snapshot.Note, Since: all[len(all)-1].Last, RefusedUntil: latest.Again, Who: latest.Original, Page: "originals",
		Remedy:  "replace the file, then try it again",
		Actions: []snapshot.Action{tryAgain(latest)},
	}, "%s%s", sentence, attempts)
}

func tryAgain(f lease.Failing) snapshot.Action {
	return snapshot.Action{Kind: directive.Clear, Target: f.Original, Why: "it was uploaded anew"}
}

// flood returns the client whose flood explains a full lane, rather than a lack of renderers; "" if there is none.
func (f *finder) flood() string {
	for _, c := range f.t.Clients {
		if outstanding(c) && (c.WorkShare >= outstandingWork || c.RefusedShare > explaining) {
			return poolcounter.Unescaped(c.Name)
		}
	}
	return ""
}

func (f *finder) isFlood() bool { return f.flood() != "" }

// shorter returns the change that shortens waits.
func (f *finder) shorter() string {
	n, who := live(f.t), f.flood()
	switch {
	case who != "":
		return "limit or block " + who
	case f.t.Wanted > n:
		return "add " + many(f.t.Wanted-n, "renderer")
	}
	return "add renderers, or limit the client that asks most"
}

// behind reports whether a lane has an old job, or refuses requests while all its places are taken. Jobs of
// the lane bulk may be old.
func behind(t *snapshot.Throttles, l snapshot.Lane) bool {
	old := milliseconds(l.AgeMS) > oldJob
	full := t.Refusals[string(throttle.Lane)] > 0 && l.Waiting > 0 && l.Running >= l.Limit
	return full || old && l.Name != string(renderjob.LaneBulk)
}

func (f *finder) ofLanes() {
	severity := snapshot.Warning
	if f.isFlood() {
		severity = snapshot.Note
	}
	for _, l := range f.t.Lanes {
		if l.Paused {
			f.ofPause(l)
		}
		if !l.Behind {
			continue
		}
		var signs []string
		if l.Waiting > 0 {
			signs = append(signs, fmt.Sprintf("%s in line for %s", many(int(l.Waiting), "request"), many(int(l.Limit), "place")))
		}
		if milliseconds(l.AgeMS) > oldJob {
			signs = append(signs, fmt.Sprintf("its oldest job is %s old", span(milliseconds(l.AgeMS))))
		}
		f.say(snapshot.Problem{Severity: severity, Remedy: f.shorter(), Since: f.history.Since("age "+l.Name, above(float64(oldJob.Milliseconds()))), Who: l.Name, Page: "lanes"},
			"The lane %s is behind: %s.", l.Name, strings.Join(signs, ", "))
	}
}

func (f *finder) ofPause(l snapshot.Lane) {
	p, by := snapshot.Problem{Severity: snapshot.Warning, Who: l.Name, Page: "actions"}, ""
	if d, found := directive.Find(f.t.Directives, directive.Pause, l.Name); found {
		p.Since, by = d.Began, fmt.Sprintf(" by %s: %s", d.Who, d.Why)
		p.Actions = []snapshot.Action{{Kind: d.Kind, Target: d.Target, ID: d.ID}}
	}
	f.say(p, "The lane %s is paused%s.", l.Name, by)
}

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
