package obtain

import (
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/edge/internal/places"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/cost"
	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// work describes a flight's render and the places for it, from the head of the original.
type work struct {
	request   Request
	client    string         // the client that leads the flight
	version   string         // of the original
	bytes     int64          // of the original
	expensive thumbnail.Type // the first expensive type among the pictures of the render, or ""
	places    int            // places in the pool of that type
	lane      renderjob.Lane
	slow      bool          // the render certainly takes long, and starts beside the slots
	cost      time.Duration // estimated processor time of the render
	charged   time.Duration // cost, or the usual cost of its expensive type if that is higher
	weight    int           // places of the client and of the original that the cost takes
	// bucket is the width in pixels of the larger thumbnail from which a renderer may render this
	// one, or 0. bucketSeen says that the store has it.
	bucket     int
	bucketSeen bool
}

// estimator estimates a flight's work from the head of its original.
type estimator struct {
	fleet     Fleet
	expensive settings.ExpensivePool
	costs     *costs
	limit     time.Duration // renderer.time_limit
}

// costs has the times of renders that this edge learned.
type costs struct {
	book  cost.Book  // of originals of expensive types
	rates cost.Rates // of thumbnails, by their format
	// clients has the processor time that each client's renders took in the expensive lane, or would take there.
	clients cost.Ledger
	dearest cost.Dearest // originals whose renders took long, though nothing predicts it
}

func (e estimator) estimate(r Request, client string, original objectstore.Info) work {
	w := work{request: r, client: client, version: original.Version, bytes: original.Size}
	types := pictureTypes(r.Target)
	if i := slices.IndexFunc(types, e.isExpensive); i >= 0 {
		w.expensive = types[i]
		w.places = e.costs.book.Places(w.expensive, w.bytes, e.expensive.Place, e.expensive.Workers)
	}
	w.cost = max(e.costs.rates.Estimate(r.Target.Spec, w.bytes), e.costs.dearest.Of(r.Target.Spec.Original.String()))
	w.charged = max(w.cost, time.Duration(w.places)*e.expensive.Place*time.Duration(min(w.places-1, 1)))
	w.weight = min(lanes.Weight(w.cost, e.expensive.Place), lanes.MostWeight)
	w.lane, w.slow = lanes.For(lanes.Work{
		Types: types, Expensive: w.expensive != "", Bytes: w.bytes, Cost: w.cost, Bulk: r.Bulk, Greedy: e.isGreedy(client),
	})
	return w
}

// hold charges a client with the estimated time of a render of the expensive lane, until release: renders that its
// client asks for meanwhile count with it.
func (c *costs) hold(w work) (release func()) {
	if !w.isCharged() {
		return func() {}
	}
	return c.clients.Hold(w.client, w.cost)
}

// isCharged reports whether a render counts for its client's share of the expensive lane.
func (w work) isCharged() bool { return w.slow || w.lane == renderjob.LaneExpensive }

// isGreedy reports whether a client's renders took more than its share of the expensive lane's time.
func (e estimator) isGreedy(client string) bool {
	if client == "" || clientaddr.IsExempt(client) {
		return false
	}
	lane := time.Duration(max(1, lanes.Slots(renderjob.LaneExpensive, e.fleet.Slots()))) * cost.Minute
	return e.costs.clients.Spent(client) > time.Duration(lanes.ClientShare*float64(lane))
}

// impossible returns the fault BadURL for a thumbnail that certainly ends at the time limit, or nil. The
// size of another thumbnail follows from its original: its renderer compares the same estimate with the limit.
func (e estimator) impossible(w work) error {
	s := w.request.Target.Spec
	if w.expensive != "" || !s.Enlarge || s.Width == 0 || s.Height == 0 {
		return nil
	}
	return e.costs.rates.Refuse(s, e.limit)
}

func (e estimator) isExpensive(t thumbnail.Type) bool {
	return slices.Contains(e.expensive.Types, string(t))
}

// pictureTypes returns the types of all pictures that a render reads: the original, then watermarks
// and frames.
func pictureTypes(t target.Target) []thumbnail.Type {
	all := []thumbnail.Type{t.Spec.Type}
	for _, at := range t.Spec.Pictures() {
		all = append(all, thumbnail.TypeOf(at.Name()))
	}
	return all
}

func (w work) need() places.Need {
	return places.Need{
		Request: w.admission(), Version: w.version, Shared: lanes.Shared(w.request.Target.Spec, w.request.Target.Odd != nil),
	}
}

func (w work) admission() admission.Request {
	return admission.Request{
		Thumbnail: w.request.Target.Key,
		Flight: throttle.Request{
			Client: w.client, Exempt: clientaddr.IsExempt(w.client), Original: w.request.Target.Spec.Original,
			Expensive: w.expensive, Places: w.places, Lane: w.lane, Weight: w.weight, Slow: w.slow,
		},
		Cost: w.charged,
	}
}
