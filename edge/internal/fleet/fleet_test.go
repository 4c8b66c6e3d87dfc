package fleet

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func beat(name, engine string, slots int, draining bool) renderjob.Heartbeat {
	return renderjob.Heartbeat{Renderer: name, EngineVersion: engine, Slots: slots, Draining: draining}
}

func TestTheLivingCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
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
	f := New()
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
