package fleet

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/queue"
)

func usual() Fleet {
	return Fleet{Slots: 10_000, Each: 8, Edges: 100, Sites: 1, Misses: 1000, Hits: 20_000}
}

func TestLoads(t *testing.T) {
	c := Costs{EdgeMiss: 1, EdgeHit: .1, EdgeHeartbeat: .01, CoordinatorMiss: .1, CoordinatorEdge: 1, CoordinatorReport: .1, NATSMiss: .2, NATSHeartbeat: .002, NATSWatch: .1}
	want := map[string]float64{
		"a core of each edge":                 (10 + 20 + 13.5) / 1000,
		"a core of the asked coordinator":     (100 + 100 + 3*1250/2*.1) / 1000,
		"a core of the NATS server":           (200 + 270 + 40) / 1000.,
		"the queue's bound of a lane":         15_000. / queue.LaneBound,
		"the coordinator's list of renderers": .125,
	}
	last := math.Inf(1)
	for _, r := range c.Loads(usual()) {
		if math.Abs(r.Use-want[r.Name]) > .001 || r.Use > last || (r.Remedy != "") != (r.Use > 1) {
			t.Errorf("%s: %v, want %v", r.Name, r.Use, want[r.Name])
		}
		last = r.Use
	}
	beside := usual()
	beside.Coordinators, c.EdgeSecond, c.NATSWaiting = 5, 2, .001
	for _, r := range c.Loads(beside) {
		switch {
		case r.Name == "a core of each edge" && math.Abs(r.Use-(10+20+13.5+2+4)/1000) > .001,
			r.Name == "a core of each coordinator that stands by" && math.Abs(r.Use-(100+3*1250/2*.1)/1000) > .001,
			r.Name == "a core of the NATS server" && math.Abs(r.Use-(200+1250+270+40)/1000.) > .001:
			t.Errorf("with waiting pulls and five coordinators: %+v", r)
		}
	}
	c.EdgeSecond, c.NATSWaiting = 0, 0
	three := usual()
	three.Sites = 3
	for _, r := range c.Loads(three) {
		if r.Name == "a core of the NATS server" && math.Abs(r.Use-(200./3+270./3+40./3)/1000) > .001 {
			t.Errorf("in three sites: %+v", r)
		}
	}
}

// The binding thing is at its bound with the returned number of slots, and not with a hundredth less.
func TestTheFirstThingThatBinds(t *testing.T) {
	for name, c := range map[string]Costs{
		"a core of the NATS server":       {EdgeMiss: .1, CoordinatorMiss: .01, NATSMiss: .9},
		"a core of the asked coordinator": {EdgeMiss: .1, CoordinatorMiss: .9, NATSMiss: .1},
		"the queue's bound of a lane":     {EdgeMiss: .01, CoordinatorMiss: .01, NATSMiss: .01},
	} {
		first, slots := c.Binds(usual())
		f := usual()
		f.Slots, f.Misses, f.Hits = slots, f.Misses*float64(slots)/1e4, 0
		at := c.Loads(f)[0]
		if first.Name != name || at.Name != name || at.Use < .98 || at.Use > 1 {
			t.Errorf("%+v binds at %d slots, where the first is %+v; want %s", first, slots, at, name)
		}
	}
}

func TestTheProfileKeepsAShareOfSlotsBusy(t *testing.T) {
	p := Profile(usual(), .7)
	mean, _ := p.Moments()
	if err := p.Validate(); err != nil || math.Abs(p.Rate()*mean-7000) > 1 || mean < .03 || mean > .2 {
		t.Errorf("%v: %v a second of %v s", err, p.Rate(), mean)
	}
}

func TestWrongFleetsAndCosts(t *testing.T) {
	for want, change := range map[string]func(*Fleet){
		"sites": func(f *Fleet) { f.Sites = 0 }, "slots in": func(f *Fleet) { f.Slots = 1 }, "edges": func(f *Fleet) { f.Edges = 0 },
		"misses": func(f *Fleet) { f.Misses = math.NaN() },
	} {
		f := usual()
		change(&f)
		if err := f.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	file := filepath.Join(t.TempDir(), "costs.json")
	for text, good := range map[string]bool{"{": false, "{}": false, string(must(json.Marshal(Measured()))): true} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if c, err := Read(file); (err == nil) != good || good && c != Measured() {
			t.Errorf("%s: %+v %v", text, c, err)
		}
	}
}

func must(text []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return text
}
