package problems

import (
	"fmt"
	"strings"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/demand"
	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	// explaining is the share of a throttle's refusals from which outstanding clients explain them.
	explaining = 0.7
	// severe is the share of requests from which a lack of renderers is critical.
	severe = 0.05
)

// ofThrottles tells of refusals that no outstanding client explains. Failing originals have their own
// sentence.
func (f *finder) ofThrottles() {
	var alone []demand.Client
	for _, c := range f.t.Clients {
		if outstanding(c) {
			alone = append(alone, c)
		}
	}
	for _, row := range throttle.All() {
		n := f.t.Refusals[string(row.Name)]
		all := refusedBy(f.t.Clients, row.Name)
		if n <= 0 || row.Name == throttle.Failure || all > 0 && refusedBy(alone, row.Name)/all > explaining {
			continue
		}
		paused := f.paused()
		meaning, _, _ := strings.Cut(row.Meaning, ". ")
		meaning = strings.TrimSuffix(meaning, ".")
		if row.Name == throttle.Lane && len(paused) > 0 {
			meaning = "Operators paused " + some(paused, 3)
		} else if row.Name == throttle.Lane {
			meaning = "All renderers are busy"
		}
		severity := snapshot.Warning
		if row.Name == throttle.Local || row.Name == throttle.Lane && len(paused) == 0 && len(alone) == 0 && n > severe*sum(f.t.Requests) {
			severity = snapshot.Critical
		} else if row.Name == throttle.Lane && len(paused) == 0 && f.isFlood() {
			severity = snapshot.Note
		}
		f.say(snapshot.Problem{
			Severity: severity, Remedy: f.remedy(row), Since: f.history.Since("refuse "+string(row.Name), above(0)), Who: string(row.Name), Page: "throttles",
		}, "%s refuses %s requests/s%s. %s.", row.Name, rate(n), f.mostOfAll(row), meaning)
	}
}

// remedy returns the change against a throttle's refusals.
func (f *finder) remedy(row throttle.Throttle) string {
	if row.Name == throttle.Lane && len(f.paused()) == 0 {
		return f.shorter()
	}
	return row.Remedy
}

func refusedBy(clients []demand.Client, by throttle.Name) (perSecond float64) {
	for _, c := range clients {
		perSecond += c.By[by]
	}
	return perSecond
}

func (f *finder) paused() (lanes []string) {
	for _, l := range f.t.Lanes {
		if l.Paused {
			lanes = append(lanes, l.Name)
		}
	}
	return lanes
}

// mostOfAll names the client or original that a throttle refuses most.
func (f *finder) mostOfAll(by throttle.Throttle) string {
	list := f.t.Busiest.RefusedClients
	if by.Listed && !by.OfClient {
		list = f.t.Busiest.RefusedOriginals
	}
	return mostOf(list, by.Name)
}

func mostOf(list []activity.Busy, by throttle.Name) string {
	for _, b := range list {
		if of, _ := throttle.OfRule(b.By); of == by {
			return fmt.Sprintf(", most of all %s", poolcounter.Unescaped(b.Name))
		}
	}
	return ""
}
