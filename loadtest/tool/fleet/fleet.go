// Package fleet computes the load of each role of a large fleet from measured costs, and finds the first thing that
// binds. loadtest/suites/fleet measures the costs; package plan simulates the waits for slots.
package fleet

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/thumbmill/thumbmill/loadtest/tool/plan"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Costs are processor times in milliseconds.
type Costs struct {
	// EdgeMiss, CoordinatorMiss, NATSMiss and RendererMiss are the costs of a miss in each role, without the worker.
	EdgeMiss        float64 `json:"edge_miss_ms"`
	CoordinatorMiss float64 `json:"coordinator_miss_ms"`
	NATSMiss        float64 `json:"nats_miss_ms"`
	RendererMiss    float64 `json:"renderer_miss_ms"`
	// Store is the part of RendererMiss that stores the thumbnail in a directory, on a disk.
	Store float64 `json:"store_ms"`
	// EdgeHit is the cost of a stored thumbnail.
	EdgeHit float64 `json:"edge_hit_ms"`
	// EdgeHeartbeat is the cost of a renderer's heartbeat at an edge, NATSHeartbeat of its delivery to one edge, and
	// CoordinatorReport of an edge's report of it.
	EdgeHeartbeat     float64 `json:"edge_heartbeat_ms"`
	NATSHeartbeat     float64 `json:"nats_heartbeat_ms"`
	CoordinatorReport float64 `json:"coordinator_report_ms"`
	// NATSWatch is the cost of one look of an edge at the queue. CoordinatorEdge is the cost of a connected edge in a
	// second, for its beats and its status.
	NATSWatch       float64 `json:"nats_watch_ms"`
	CoordinatorEdge float64 `json:"coordinator_edge_ms"`
	// NATSRenderer is the cost of an idle renderer in a second, for its pulls. NATSWaiting is the cost that each waiting pull
	// adds to a miss: NATS walks through all pulls of a lane that wait.
	NATSRenderer float64 `json:"nats_renderer_ms"`
	NATSWaiting  float64 `json:"nats_waiting_ms"`
	// EdgeSecond is the cost of an idle edge in a second, with one coordinator. Each further one costs the edge about as
	// much as the edge costs it.
	EdgeSecond float64 `json:"edge_second_ms"`
}

// Measured returns the costs of make bench-fleet on 2026-11-30 (Xeon, beside other work; docs/benchmarks.md, Large fleets).
func Measured() Costs {
	return Costs{
		EdgeMiss: .97, CoordinatorMiss: .17, NATSMiss: .69, RendererMiss: 1.43, Store: .69, EdgeHit: .057,
		EdgeHeartbeat: .011, NATSHeartbeat: .002, CoordinatorReport: .024, NATSWatch: .21, CoordinatorEdge: .13, NATSRenderer: .62,
		NATSWaiting: .00037, EdgeSecond: 3.3,
	}
}

// Read reads the costs that make bench-fleet wrote.
func Read(file string) (c Costs, err error) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err == nil && (c.EdgeMiss <= 0 || c.NATSMiss <= 0) {
		err = errors.New("edge_miss_ms and nats_miss_ms must be above 0: write the file with make bench-fleet")
	}
	if err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// Fleet is a fleet of equal sites. Each site has its own NATS servers, and all of its edges ask one coordinator. The
// others stand by: edges beat and report to each of them, and ask them for nothing.
type Fleet struct {
	Slots int // of all renderers
	Each  int // slots of one renderer
	Edges int // of all sites
	Sites int // 1 or more
	// Coordinators is the number of coordinators of each site; 0 means 1.
	Coordinators int
	Misses       float64 // per second, of all sites
	Hits         float64 // per second, of all sites
}

// Validate returns an error that names the first wrong field.
func (f Fleet) Validate() error {
	switch {
	case f.Sites < 1 || f.Sites > 1000:
		return fmt.Errorf("%d sites: write a number from 1 to 1000", f.Sites)
	case f.Each < 1 || f.Slots < f.Each*f.Sites || f.Slots > 1e7:
		return fmt.Errorf("%d slots in renderers of %d: write at least one renderer for each site, and at most 10 million slots", f.Slots, f.Each)
	case f.Edges < f.Sites || f.Edges > 1e6:
		return fmt.Errorf("%d edges: write at least one for each site, and at most a million", f.Edges)
	case f.Coordinators < 0 || f.Coordinators > 1000:
		return fmt.Errorf("%d coordinators: write a number from 1 to 1000", f.Coordinators)
	case !(f.Misses >= 0 && f.Hits >= 0 && f.Misses < 1e9 && f.Hits < 1e9):
		return fmt.Errorf("%v misses and %v hits a second: write numbers from 0 to a billion", f.Misses, f.Hits)
	}
	return nil
}

const (
	reporters   = 3 // edges that report a renderer (edge/internal/fleet)
	reportEvery = 2 // seconds between an edge's reports (edge/internal/coordinators)
	looks       = 4 // questions of an edge to the queue in a second, at most (edge/internal/backlog)
)

// mostReported is the number of renderers that a coordinator lists (coordinator/internal/fleet).
const mostReported = 10_000

// Loads returns the share of a core that each role of a site needs, and the used share of each bound, the largest
// first. Above 1, the role needs a second process or a second core.
func (c Costs) Loads(f Fleet) []plan.Resource {
	sites := float64(f.Sites)
	edges, renderers := float64(f.Edges)/sites, float64(f.Slots)/float64(f.Each)/sites
	heard := (renderers + edges) * sites // edges hear the heartbeats of all sites, and each other's announcements
	misses, hits := f.Misses/sites, f.Hits/sites
	coordinators := float64(max(1, f.Coordinators))
	core := func(ms float64) float64 { return ms / 1000 }
	standing := edges*c.CoordinatorEdge + min(reporters, edges)*renderers/reportEvery*c.CoordinatorReport // of a coordinator without requests
	all := []plan.Resource{
		{Name: "a core of each edge", Use: core((misses*c.EdgeMiss+hits*c.EdgeHit)/edges + heard*c.EdgeHeartbeat + c.EdgeSecond + (coordinators-1)*c.CoordinatorEdge), Remedy: "add edges"},
		{Name: "a core of the asked coordinator", Use: core(misses*c.CoordinatorMiss + standing), Remedy: "add a site"},
		{Name: "a core of the NATS server", Use: core(misses*(c.NATSMiss+renderers*c.NATSWaiting) + renderers*c.NATSRenderer + heard*edges*c.NATSHeartbeat + edges*looks*c.NATSWatch), Remedy: "give it more cores, or add a site"},
		{Name: "the queue's bound of a lane", Use: float64(lanes.Places(renderjob.LaneStandard, f.Slots/f.Sites)) / queue.LaneBound, Remedy: "add a site"},
		{Name: "the coordinator's list of renderers", Use: renderers / mostReported, Remedy: "add a site"},
	}
	if coordinators > 1 {
		all = append(all, plan.Resource{Name: "a core of each coordinator that stands by", Use: core(standing), Remedy: "add a site"})
	}
	for i, r := range all {
		if r.Use <= 1 {
			all[i].Remedy = ""
		}
	}
	slices.SortStableFunc(all, func(a, b plan.Resource) int { return cmp.Compare(b.Use, a.Use) })
	return all
}

// Binds returns the first thing that binds when slots, misses and hits grow together, and the number of slots at which
// it does. Edges grow too, so that none of them has more to do than now.
func (c Costs) Binds(f Fleet) (first plan.Resource, slots int) {
	grown := func(k float64) Fleet {
		g := f
		g.Slots, g.Edges = int(float64(f.Slots)*k), max(f.Edges, int(float64(f.Edges)*k))
		g.Misses, g.Hits = f.Misses*k, f.Hits*k
		return g
	}
	low, high := 0., 1.
	for c.Loads(grown(high))[0].Use < 1 && high < 1e4 {
		low, high = high, 2*high
	}
	for range 40 {
		if middle := (low + high) / 2; c.Loads(grown(middle))[0].Use < 1 {
			low = middle
		} else {
			high = middle
		}
	}
	return c.Loads(grown(high))[0], grown(low).Slots
}

// Outside returns the processor time of a miss in all roles, without the worker, in milliseconds.
func (c Costs) Outside() float64 { return c.EdgeMiss + c.CoordinatorMiss + c.NATSMiss + c.RendererMiss }
