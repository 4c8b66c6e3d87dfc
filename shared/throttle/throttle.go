// Package throttle is the table of the rules that can refuse or delay a request, with their names,
// counts and sentences. All other packages read the table: a new throttle changes only this package and
// the settings.
package throttle

import (
	"slices"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Name is the name of a throttle in the header Thumbmill-Throttle, in metrics, logs, commands and
// on the operators' page. Settings write it with an underscore.
type Name string

// The throttles.
const (
	PerIP       Name = "per-ip"
	PerOriginal Name = "per-original"
	Expensive   Name = "expensive"
	Lane        Name = "lane"
	Failure     Name = "failure" // refusals of the failure memory
	Local       Name = "local"   // limit of one edge while no coordinator answers
)

// Throttle is a row of the table.
type Throttle struct {
	Name Name
	// Setting is the key of its limits, below throttle in the settings; "" for computed limits.
	Setting string
	// Class is the start of the keys of its pools at the coordinator, part of PoolCounter's
	// protocol; "" for a throttle without a pool.
	Class string
	// Variants have separate limits, each under the rule "name:variant". nil means that all
	// pools of the throttle have the same limits.
	Variants []string
	// Kind is the kind of a refusal's fault.
	Kind fault.Kind
	// Sentence is the start of the refusal's message, without a full stop.
	Sentence string
	// Causes has the end of that message for each reason to refuse.
	Causes map[Cause]Reason
	// Remedy is the change that an operator can make, for the log.
	Remedy string
	// Meaning explains a refusal of the throttle to operators, in whole sentences.
	Meaning string
	// OfClient is true if a refusal concerns one client: other clients that wait for the same
	// thumbnail may pass.
	OfClient bool
	// CanShadow is true if the throttle has a shadow mode, which counts refusals and admits all.
	CanShadow bool
	// Listed is true if operators see the busiest of its pools: each stands for one client or original.
	Listed bool
	// Shared is true if clients share each of its pools, so that one client may take only a part
	// (lanes.MostOfClient).
	Shared bool

	// limits returns the limits of the pools of a variant, "" for none.
	limits func(l Limits, variant string) settings.Pool
	// pool returns the name of a request's pool within the throttle, and the places that the
	// request takes there. 0 places mean that the throttle does not count the request.
	pool func(r Request, limits settings.Pool) (name string, places int)
}

// Limits are the current limits of an edge.
type Limits struct {
	Settings settings.Throttle
	Lane     func(renderjob.Lane) settings.Pool // follows the living renderers
	Networks []Network                          // at most MostNetworks
}

// Request is a flight that wants to render.
type Request struct {
	Client    string // the client that leads it, as package clientaddr names it
	Exempt    bool   // per-ip does not count the client
	Original  thumbnail.Location
	Expensive thumbnail.Type // first expensive type among its pictures, else ""
	Places    int            // places that an expensive original takes of its type's pool; at least 1
	Lane      renderjob.Lane
	// Weight is the places that the request's estimated cost takes of its client's and its original's
	// pool, and at most half of each; 0 counts as 1.
	Weight int
	Slow   bool // certainly takes long, and may therefore wait long
	Rides  bool // shares another flight's job and slot, and takes no place of the lane or of its client
}

// Table is the throttles, in the order in which a request meets them.
type Table []Throttle

// All returns the table.
func All() Table {
	return Table{
		{
			Name: PerIP, Setting: "per_ip", Class: "ip", Kind: fault.Throttled, OfClient: true, CanShadow: true, Listed: true,
			Sentence: "Too many thumbnails are rendered for your address at once",
			Causes:   pooled(map[Cause]Reason{Held: {Text: "%d requests from your address wait already: wait for their answers"}}),
			Remedy:   "block the client's network, limit it (per-ip:NETWORK), exempt it (throttle.exempt), or raise throttle.per_ip",
			Meaning:  "One client renders more at once than throttle.per_ip allows.",
			limits:   func(l Limits, _ string) settings.Pool { return l.Settings.PerIP },
			pool: func(r Request, l settings.Pool) (string, int) {
				return r.Client, count(!r.Exempt && !r.Rides) * lanes.AtMostHalf(r.Weight, l.Workers)
			},
		},
		{
			Name: PerOriginal, Setting: "per_original", Class: "original", Kind: fault.Throttled, CanShadow: true, Listed: true,
			Sentence: "Too many thumbnails of this original are rendered at once",
			Causes:   pooled(nil),
			Remedy:   "raise throttle.per_original if renderers are idle",
			Meaning:  "One original is rendered in more sizes at once than throttle.per_original allows.",
			limits:   func(l Limits, _ string) settings.Pool { return l.Settings.PerOriginal },
			pool: func(r Request, l settings.Pool) (string, int) {
				return r.Original.String(), lanes.AtMostHalf(r.Weight, l.Workers)
			},
		},
		{
			Name: Expensive, Setting: "expensive", Class: "expensive", Kind: fault.Throttled, CanShadow: true,
			Sentence: "Too many thumbnails of this expensive type are rendered at once",
			Causes:   pooled(nil),
			Remedy:   "raise throttle.expensive if renderers are idle",
			Meaning:  "More originals of an expensive type are rendered at once than throttle.expensive allows.",
			limits:   func(l Limits, _ string) settings.Pool { return l.Settings.Expensive.Pool() },
			pool:     expensivePool,
		},
		{
			Name: Lane, Class: "lane", Variants: laneNames(), Kind: fault.LaneFull, Shared: true,
			Sentence: "All renderers are busy",
			Causes: pooled(map[Cause]Reason{
				QueueFull: {Text: "their queue is full"},
				Paused:    {Sentence: "An operator paused thumbnails of this kind", Text: "ask again later"},
			}),
			Remedy:  "add renderers if renderers wanted is above their number; otherwise block the client that asks most, or end the lane's pause",
			Meaning: "All renderers are busy, or operators paused the lane. A client that takes most of a lane is refused by per-ip instead.",
			limits:  func(l Limits, lane string) settings.Pool { return l.Lane(renderjob.Lane(lane)) },
			pool:    func(r Request, _ settings.Pool) (string, int) { return string(r.Lane), count(!r.Rides) },
		},
		{
			Name: Failure, Setting: "failure", Kind: fault.Failing, Sentence: "This original failed too often",
			Causes:  map[Cause]Reason{Failed: {Text: "it failed %d times within %v; try again after that time"}},
			Remedy:  "see thumbmill failing; thumbmill failing clear ORIGINAL gives another try; throttle.failure sets the limit",
			Meaning: "The original failed too often. The edge refuses it for a while.",
		},
		{
			Name: Local, Kind: fault.Unavailable, Sentence: "This site can render only a few thumbnails now",
			Causes:  map[Cause]Reason{Busy: {Text: "it renders %d thumbnails already"}},
			Remedy:  "start a coordinator of coordinator.servers, or repair the way to it",
			Meaning: "No coordinator answers, and the edge has reached its own limit.",
		},
	}
}

func count(it bool) int {
	if it {
		return 1
	}
	return 0
}

// expensivePool returns at most the pool's workers as places: the most expensive original can still
// render alone.
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

// Get returns the throttle with a name. It panics for a name outside the table.
func (t Table) Get(n Name) Throttle {
	return t[slices.IndexFunc(t, func(row Throttle) bool { return row.Name == n })]
}

// IsOfClient reports whether a fault is a refusal that concerns one client.
func (t Table) IsOfClient(f *fault.Fault) bool {
	return slices.ContainsFunc(t, func(row Throttle) bool { return row.OfClient && string(row.Name) == f.Throttle })
}
