package fleet

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func beat(name, engine string, slots int, draining bool) renderjob.Heartbeat {
	return renderjob.Heartbeat{Renderer: name, EngineVersion: engine, Slots: slots, Draining: draining}
}

func TestTheLivingCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New("", nil)
		if f.Slots() != unknownSlots || len(f.Engines(thumbnail.TypePNG)) != 0 {
			t.Errorf("before the first heartbeat: %d slots, engines %v", f.Slots(), f.Engines(thumbnail.TypePNG))
		}
		f.Note(beat("a", "v1", 4, false))
		f.Note(beat("b", "v2", 6, false))
		f.Note(beat("c", "v2", 8, true))
		engines := f.Engines(thumbnail.TypePNG)
		slices.Sort(engines)
		if f.Slots() != 10 || f.GoneFor() != 0 || !slices.Equal(engines, []string{"v1", "v2"}) {
			t.Errorf("%d slots, gone for %v, engines %v", f.Slots(), f.GoneFor(), engines)
		}
		if got := f.LaneWorkers(renderjob.LaneStandard); got != 15 {
			t.Errorf("the standard lane has %d places", got)
		}
		if got := f.LaneWorkers(renderjob.LaneExpensive); got != 8 {
			t.Errorf("the expensive lane has %d places", got)
		}
		time.Sleep(2 * time.Second)
		f.Note(beat("b", "v2", 6, false))
		time.Sleep(2 * time.Second)
		if f.Slots() != 6 || len(f.Engines(thumbnail.TypePNG)) != 1 {
			t.Errorf("after a's death: %d slots, engines %v", f.Slots(), f.Engines(thumbnail.TypePNG))
		}
		if got := f.LaneWorkers(renderjob.LaneStandard); got != 15 {
			t.Errorf("while a's jobs may hold places: %d places", got)
		}
		for range 12 {
			f.Note(beat("b", "v2", 6, false))
			time.Sleep(time.Second)
		}
		if got := f.LaneWorkers(renderjob.LaneStandard); got != 9 {
			t.Errorf("after other renderers got a's jobs: %d places", got)
		}
		time.Sleep(time.Minute)
		if f.GoneFor() < time.Minute || f.Slots() != 6 {
			t.Errorf("after all died: gone for %v, %d slots", f.GoneFor(), f.Slots())
		}
		f.Note(beat("b", "v2", 2, false))
		if f.GoneFor() != 0 || f.Slots() != 2 {
			t.Errorf("after b came back: gone for %v, %d slots", f.GoneFor(), f.Slots())
		}
	})
}

// Each type has its own engine. The heartbeat of an earlier version has one engine for all types.
func TestEnginesByType(t *testing.T) {
	f := New("", nil)
	newer := beat("a", "v2", 1, false)
	newer.TypeVersions = map[thumbnail.Type]string{thumbnail.TypeSVG: "librsvg-2"}
	f.Note(newer)
	f.Note(beat("b", "v1", 1, false))
	for of, want := range map[thumbnail.Type][]string{
		thumbnail.TypeSVG: {"librsvg-2", "v1"},
		thumbnail.TypePNG: {"v1", "v2"},
	} {
		got := f.Engines(of)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: engines %v, want %v", of, got, want)
		}
	}
}

// A heartbeat without a description has the one of its digest. The edge asks for a missing one once a second, and
// counts the renderer once it has the description.
func TestDescriptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New("", nil)
		full := beat("a", "v1", 4, false).Digested()
		brief := full.With(renderjob.Heartbeat{})
		other := brief
		other.Renderer = "b"
		if !f.Note(other) || f.Note(brief) {
			t.Error("the edge does not ask once")
		}
		if got := f.Engines(thumbnail.TypePNG); f.Slots() != unknownSlots || len(f.Names()) != 0 || len(got) != 0 {
			t.Errorf("%d slots, engines %v", f.Slots(), got)
		}
		time.Sleep(askAgain)
		if !f.Note(brief) || f.Note(full) || f.Note(other) {
			t.Error("the edge does not ask again, or asks after a description")
		}
		if got := f.Engines(thumbnail.TypePNG); f.Slots() != 8 || !slices.Equal(got, []string{"v1"}) {
			t.Errorf("%d slots, engines %v", f.Slots(), got)
		}
		for _, h := range f.Share("edge", nil) {
			if h.EngineVersion != "v1" {
				t.Errorf("%+v", h)
			}
		}
		f.Note(beat("a", "v2", 4, false).Digested()) // an upgrade
		f.Note(beat("b", "v2", 4, false).Digested())
		if got := f.Engines(thumbnail.TypePNG); !slices.Equal(got, []string{"v2"}) {
			t.Errorf("engines %v after an upgrade", got)
		}
	})
}

// Of many edges, three report each renderer; all edges report about the same number.
func TestShares(t *testing.T) {
	f := New("", nil)
	const renderers = 1000
	for i := range renderers {
		f.Note(beat(fmt.Sprint("renderer-", i), "v1", 1, false))
	}
	for n, each := range map[int]int{1: 1, 2: 2, 3: 3, 20: reporters} {
		var edges []string
		for i := range n {
			edges = append(edges, fmt.Sprintf("edge-%02d", i))
		}
		times := map[string]int{}
		for _, name := range edges {
			share := f.Share(name, edges)
			if len(share) < renderers*each/n/2 || len(share) > renderers*each*2/n {
				t.Errorf("of %d edges, one reports %d renderers", n, len(share))
			}
			for _, h := range share {
				times[h.Renderer]++
			}
		}
		for name, got := range times {
			if got != each {
				t.Fatalf("%d of %d edges report %s, want %d", got, n, name, each)
			}
		}
		if len(times) != renderers {
			t.Errorf("%d edges report %d renderers", n, len(times))
		}
	}
	if got := f.Share("deaf", []string{"a", "b", "c", "d"}); len(got) != renderers {
		t.Errorf("an edge that presence does not know reports %d renderers", len(got))
	}
}

// The totals stay right while renderers come, change, drain and die in any order.
func TestTotals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, random := New("", nil), rand.New(rand.NewPCG(1, 2))
		latest, at := map[string]renderjob.Heartbeat{}, map[string]time.Time{}
		for range 5000 {
			h := beat(fmt.Sprint(random.IntN(20)), "v1", random.IntN(5), random.IntN(4) == 0)
			h.Busy, h.Batch = random.IntN(5), random.IntN(3)
			f.Note(h)
			latest[h.Renderer], at[h.Renderer] = h, time.Now()
			time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
			slots, idle, batch, names := 0, false, 0, 0
			for name, h := range latest {
				if time.Since(at[name]) > lanes.DeadAfter {
					continue
				}
				names++
				if !h.Draining {
					slots += h.Slots
					idle = idle || h.Busy < h.Slots
					if b := max(1, h.Batch); batch == 0 || b < batch {
						batch = b
					}
				}
			}
			if slots > 0 && f.Slots() != slots || f.Idle() != idle || f.Batch() != max(1, batch) || len(f.Names()) != names {
				t.Fatalf("%d slots, idle %v, batches of %d, %d names; want %d, %v, %d, %d", f.Slots(), f.Idle(), f.Batch(), len(f.Names()), slots, idle, batch, names)
			}
		}
	})
}

// Jobs leave a site only while it has no free slot, for the first site with one, and at most as many in a second as the
// site had free slots. The lane's pool counts the free slots there and the jobs of this site there.
func TestOtherSites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New("a", []string{"b", "c"})
		at := func(site string, slots, busy int, guests map[string]int) {
			h := beat("renderer-"+site, "v1", slots, false)
			h.Site, h.Busy, h.Guests = site, busy, guests
			f.Note(h)
		}
		chooses := func(when string, want ...string) {
			t.Helper()
			for _, site := range want {
				if got := f.Choose(renderjob.LaneStandard); got != site {
					t.Errorf("%s: the job goes to %q, want %q", when, got, site)
				}
			}
		}
		chooses("before the first heartbeat", "")
		at("b", 2, 0, nil)
		at("d", 8, 0, nil) // takes no jobs of a
		if f.GoneFor() != 0 || f.Lives("c") || !f.Lives("b") {
			t.Error("another site's renderers do not live")
		}
		at("a", 1, 0, nil)
		at("c", 4, 3, map[string]int{"a": 2, "b": 1})
		chooses("a is free", "")
		if got := f.LaneWorkers(renderjob.LaneStandard); got != 2+2+1+2 {
			t.Errorf("the standard lane has %d places", got)
		}
		if got := f.LaneWorkers(renderjob.LaneBulk); got != 2 {
			t.Errorf("the bulk lane has %d places", got)
		}
		at("a", 1, 1, nil)
		chooses("a is busy", "b", "b", "c", "")
		if got := f.Choose(renderjob.LaneBulk); got != "" {
			t.Errorf("a bulk job goes to %q", got)
		}
		time.Sleep(renderjob.HeartbeatEvery + 1)
		at("a", 1, 1, nil)
		chooses("a second later", "b")
		time.Sleep(lanes.DeadAfter)
		at("a", 1, 1, nil)
		chooses("the others are gone", "")
		if got := f.LaneWorkers(renderjob.LaneStandard); got != 2 || len(f.Names()) != 1 {
			t.Errorf("the standard lane has %d places, %v live", got, f.Names())
		}
	})
}

// A site without renderers sends all jobs that clients wait for to the next site, even while that site is busy, and
// waits with it. A site whose renderers drain ends no batches elsewhere.
func TestASiteWithoutRenderers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New("a", []string{"b", "c"})
		at := func(site string, slots, busy int, draining bool) {
			h := beat("renderer-"+site, "v1", slots, draining)
			h.Site, h.Busy, h.Batch = site, busy, 8
			f.Note(h)
		}
		at("a", 4, 0, false)
		at("c", 4, 0, true)
		if got := f.Batch(); got != 8 {
			t.Errorf("a batch has %d jobs", got)
		}
		time.Sleep(time.Minute)
		at("b", 2, 2, false)
		if got := f.Choose(renderjob.LaneStandard); got != "b" {
			t.Errorf("a job goes to %q", got)
		}
		if got := f.Choose(renderjob.LaneBulk); got != "" {
			t.Errorf("a job that no client waits for goes to %q", got)
		}
		if got := f.LaneWorkers(renderjob.LaneStandard); got != 1 {
			t.Errorf("the lane has %d places beside a busy site", got)
		}
		time.Sleep(time.Minute)
		if got := f.GoneFor(); got != time.Minute {
			t.Errorf("nobody takes jobs since %v", got)
		}
	})
}

func TestRenderersWithFreeSlots(t *testing.T) {
	f := New("", nil)
	busy := beat("busy", "v1", 4, false)
	busy.Busy = 4
	abroad := beat("abroad", "v1", 4, false)
	abroad.Site = "west"
	for _, b := range []renderjob.Heartbeat{busy, abroad, beat("drains", "v1", 4, true), beat("a", "v1", 4, false), beat("b", "v1", 4, false)} {
		f.Note(b)
	}
	free := f.Free(9)
	slices.Sort(free)
	if !slices.Equal(free, []string{"a", "b"}) || len(f.Free(1)) != 1 {
		t.Errorf("%v have a free slot, want a and b", free)
	}
	if !f.Has("busy") || f.Has("abroad") || f.Has("nobody") {
		t.Error("another renderer lives than those that sent heartbeats here")
	}
}

// An edge offers each renderer as many jobs as the renderer told last, and prefers the one near a job's original.
func TestRenderersThatTakeJobsAtOnce(t *testing.T) {
	f := New("", nil)
	with := func(name string, free int, draining bool) renderjob.Heartbeat {
		b := beat(name, "v1", 4, draining)
		b.Free = free
		return b
	}
	abroad := with("abroad", 4, false)
	abroad.Site = "west"
	for _, b := range []renderjob.Heartbeat{abroad, with("drains", 4, true), with("full", 0, false), with("a", 1, false), with("b", 2, false)} {
		f.Note(b)
	}
	offered := func(near string) (names []string) {
		for name, ok := f.Offer(near); ok; name, ok = f.Offer(near) {
			names = append(names, name)
		}
		return names
	}
	if got := offered("b"); !slices.Equal(got, []string{"b", "b", "a"}) {
		t.Errorf("%v", got)
	}
	for _, name := range []string{"b", "abroad", "unknown"} {
		f.Told(name, 1)
	}
	if got := offered("drains"); !slices.Equal(got, []string{"b"}) {
		t.Errorf("after results: %v", got)
	}
	f.Told("a", 3)
	f.Note(with("a", 0, false))
	if got := offered(""); len(got) > 0 {
		t.Errorf("after a heartbeat: %v", got)
	}
}
