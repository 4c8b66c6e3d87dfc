// Package throttle is the table of the rules that can refuse or delay a request: what each
// is called, what it counts, and what a refusal says. Everything else reads the table, so
// that a throttle is added here and in the settings alone.
//
// The edge asks by it and refuses by it; the coordinator, the operators' commands and the
// page name rules and pools by it.
package throttle

import (
	"slices"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Name is what people call a throttle, everywhere: in the header Thumbmill-Throttle, in
// metrics, logs, commands and on the operators' page. Settings have it with an underscore.
type Name string

// The throttles.
const (
	PerIP       Name = "per-ip"
	PerOriginal Name = "per-original"
	Expensive   Name = "expensive"
	Lane        Name = "lane"
	Failure     Name = "failure" // the failure memory's
	Local       Name = "local"   // an edge's own, while no coordinator answers
)

// Throttle is a row of the table.
type Throttle struct {
	Name Name
	// Setting is the key of its limits, below throttle in the settings; "" for those whose
	// limits follow from others.
	Setting string
	// Class begins the keys of its pools at the coordinator, as PoolCounter's clients and
	// older coordinators know them; "" for those that no coordinator decides.
	Class string
	// Variants have limits of their own, each under the rule "name:variant"; nil where all
	// pools of the throttle have the same.
	Variants []string
	// Kind of the fault of a refusal.
	Kind fault.Kind
	// Sentence begins the refusal, without a full stop.
	Sentence string
	// OfClient is true where a refusal says something about this client alone: others who
	// wait for the same thumbnail may be let through.
	OfClient bool
	// CanShadow is true where it can only count, and let through, what it would refuse.
	CanShadow bool

	// limits of its pools, of a variant where there are any.
	limits func(l Limits, variant string) settings.Pool
	// pool is the name that a request's pool has within the throttle, how many places the
	// request takes there, and 0 where the throttle does not count it.
	pool func(r Request, limits settings.Pool) (name string, places int)
}

// Limits are an edge's limits as they are now.
type Limits struct {
	Settings settings.Throttle
	Lane     func(renderjob.Lane) settings.Pool // follows the renderers that live
}

// Request is a flight that wants to render.
type Request struct {
	Client    string // that leads it, as package clientaddr names it
	Exempt    bool   // per-ip does not count the client
	Original  thumbnail.Location
	Expensive thumbnail.Type // of its pictures, the first that is of an expensive type; else ""
	Places    int            // that an expensive original takes of its type's pool; at least 1
	Lane      renderjob.Lane
	Rides     bool // it comes along with another's job, and takes no place of the lane
}

// Table is the throttles, in the order in which a request meets them.
type Table []Throttle

// All is the table of thumbmill.
func All() Table {
	return Table{
		{
			Name: PerIP, Setting: "per_ip", Class: "ip", Kind: fault.Throttled, OfClient: true, CanShadow: true,
			Sentence: "Too many thumbnails are rendered for your address at once",
			limits:   func(l Limits, _ string) settings.Pool { return l.Settings.PerIP },
			pool:     func(r Request, _ settings.Pool) (string, int) { return r.Client, count(!r.Exempt) },
		},
		{
			Name: PerOriginal, Setting: "per_original", Class: "original", Kind: fault.Throttled, CanShadow: true,
			Sentence: "Too many thumbnails of this original are rendered at once",
			limits:   func(l Limits, _ string) settings.Pool { return l.Settings.PerOriginal },
			pool:     func(r Request, _ settings.Pool) (string, int) { return r.Original.String(), 1 },
		},
		{
			Name: Expensive, Setting: "expensive", Class: "expensive", Kind: fault.Throttled, CanShadow: true,
			Sentence: "Too many thumbnails of this expensive type are rendered at once",
			limits:   func(l Limits, _ string) settings.Pool { return l.Settings.Expensive.Pool() },
			pool:     expensivePool,
		},
		{
			Name: Lane, Class: "lane", Variants: laneNames(), Kind: fault.LaneFull,
			Sentence: "All renderers are busy",
			limits:   func(l Limits, lane string) settings.Pool { return l.Lane(renderjob.Lane(lane)) },
			pool:     func(r Request, _ settings.Pool) (string, int) { return string(r.Lane), count(!r.Rides) },
		},
		{Name: Failure, Setting: "failure", Kind: fault.Failing, Sentence: "This original failed too often"},
		{Name: Local, Kind: fault.Unavailable, Sentence: "No coordinator answers, and this edge renders as many thumbnails as it may alone"},
	}
}

func count(it bool) int {
	if it {
		return 1
	}
	return 0
}

// expensivePool takes at most the pool's workers, so that an original that costs more than
// the pool holds can be rendered alone.
func expensivePool(r Request, limits settings.Pool) (string, int) {
	if r.Expensive == "" {
		return "", 0
	}
	return string(r.Expensive), min(max(r.Places, 1), limits.Workers)
}

func laneNames() (names []string) {
	for _, lane := range renderjob.Lanes() {
		names = append(names, string(lane))
	}
	return names
}

// Get gives a throttle by its name. It panics for a name that is not in the table.
func (t Table) Get(n Name) Throttle {
	return t[slices.IndexFunc(t, func(row Throttle) bool { return row.Name == n })]
}

// IsOfClient reports whether a fault is the refusal of a throttle that says something about
// this client alone.
func (t Table) IsOfClient(f *fault.Fault) bool {
	return slices.ContainsFunc(t, func(row Throttle) bool { return row.OfClient && string(row.Name) == f.Throttle })
}
