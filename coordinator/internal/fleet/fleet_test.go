package fleet

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

func tell(t *testing.T, f *Fleet, all ...renderjob.Heartbeat) {
	t.Helper()
	text, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Note(string(text)); err != nil {
		t.Error(err)
	}
}

func names(f *Fleet) (all []string) {
	for _, h := range f.Living() {
		all = append(all, h.Renderer)
	}
	return all
}

func TestARendererLivesWhileItIsToldOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New()
		tell(t, f, renderjob.Heartbeat{Renderer: "b", Slots: 1}, renderjob.Heartbeat{Renderer: "a", Slots: 2})
		time.Sleep(lanes.UnreportedFor)
		tell(t, f, renderjob.Heartbeat{Renderer: "a", Slots: 3})
		if all := f.Living(); !slices.Equal(names(f), []string{"a", "b"}) || all[0].Slots != 3 {
			t.Errorf("%+v", all)
		}
		time.Sleep(time.Millisecond)
		if got := names(f); !slices.Equal(got, []string{"a"}) {
			t.Errorf("%v live", got)
		}
	})
}

func TestWhatIsNoHeartbeat(t *testing.T) {
	f := New()
	if err := f.Note(`{"renderer":"x"}`); err == nil || len(f.Living()) > 0 {
		t.Errorf("%v, %v live", err, names(f))
	}
}

func TestTheFleetIsBounded(t *testing.T) {
	f := New()
	var all []renderjob.Heartbeat
	for i := range most {
		all = append(all, renderjob.Heartbeat{Renderer: fmt.Sprint(i)})
	}
	tell(t, f, all...)
	tell(t, f, renderjob.Heartbeat{Renderer: "one too many"}, renderjob.Heartbeat{Renderer: "0", Slots: 7})
	if living := f.Living(); len(living) != most || living[0].Slots != 7 {
		t.Errorf("%d live, the first is %+v", len(living), living[0])
	}
}
