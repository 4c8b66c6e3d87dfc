package intake

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/thumbmill/thumbmill/shared/renderjob"
)

var standard = kind{lane: renderjob.LaneStandard}

// enters lets a job into the room, and fails the test if it has no room.
func enters(t *testing.T, r *room) *Place {
	t.Helper()
	if !r.enter(standard) {
		t.Fatal("there is no room")
	}
	return &Place{room: r, kind: standard}
}

// A job that waits for bytes takes no place, and takes one again before the next job is pulled.
func TestAJobStepsAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(1, 0)
		slow := enters(t, r)
		if r.enter(standard) {
			t.Fatal("two jobs have one place")
		}
		if !slow.StepAside("host") || !slow.StepAside("host") {
			t.Error("the job does not step aside")
		}
		other := enters(t, r)
		if n := r.count(); n != 2 {
			t.Errorf("%d jobs are in hand, want 2", n)
		}
		returned := make(chan error, 1)
		go func() { returned <- slow.Return(t.Context(), nil) }()
		synctest.Wait() // the bytes are there, and the place is not
		other.leave()
		if r.enter(standard) {
			t.Error("a job that is not pulled yet goes first")
		}
		if err := <-returned; err != nil || r.count() != 1 {
			t.Errorf("%v, %d jobs in hand", err, r.count())
		}
		slow.leave()
		enters(t, r).leave()
		if r.count() != 0 || len(r.aside) != 0 || r.allAside != 0 {
			t.Errorf("the room is not empty: %+v", r)
		}
	})
}

// A job that only stores takes no place, as long as few others do.
func TestAJobStores(t *testing.T) {
	r := newRoom(1, 0)
	var storing []*Place
	for range leastStoring {
		p := enters(t, r)
		if !p.Store(1) {
			t.Fatalf("only %d jobs store at once", len(storing))
		}
		storing = append(storing, p)
	}
	last := enters(t, r)
	if last.Store(1) || r.enter(standard) {
		t.Error("one job more stores without a place")
	}
	if n := r.count(); n != leastStoring+1 {
		t.Errorf("%d jobs are in hand, want %d", n, leastStoring+1)
	}
	last.leave()
	storing[0].leave()
	if again := enters(t, r); !again.Store(1) {
		t.Error("a job that is stored leaves no room for the next")
	} else {
		again.leave()
	}
	for _, p := range storing[1:] {
		p.leave()
	}
	if r.count() != 0 || r.inHand != 0 {
		t.Errorf("the room is not empty: %+v", r)
	}
}

// Few jobs with large pictures store at once, and always one.
func TestStoredBytesAreBounded(t *testing.T) {
	r := newRoom(2, 0)
	first, second := enters(t, r), enters(t, r)
	if !first.Store(mostStored + 1) {
		t.Error("a picture beyond the bound is not stored alone")
	}
	if second.Store(1) {
		t.Error("a second picture is stored beside it")
	}
	first.leave()
	if !second.Store(mostStored) {
		t.Error("the next picture is not stored")
	}
	second.leave()
	if r.stored != 0 {
		t.Errorf("%d bytes are left", r.stored)
	}
}

// A job whose wait for a place ends stays aside, and leaves nothing behind.
func TestAReturnThatEnds(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(cancel context.CancelFunc, drain chan struct{})
		want error
	}{
		"the job's time is over": {func(cancel context.CancelFunc, _ chan struct{}) { cancel() }, context.Canceled},
		"the renderer drains":    {func(_ context.CancelFunc, drain chan struct{}) { close(drain) }, ErrNotBegun},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRoom(1, 0)
				slow := enters(t, r)
				slow.StepAside("host")
				other := enters(t, r)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				drain, returned := make(chan struct{}), make(chan error, 1)
				go func() { returned <- slow.Return(ctx, drain) }()
				synctest.Wait()
				c.end(cancel, drain)
				if err := <-returned; !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				slow.leave()
				other.leave()
				enters(t, r).leave()
				if r.count() != 0 || len(r.aside) != 0 {
					t.Errorf("the room is not empty: %+v", r)
				}
			})
		})
	}
}

// Jobs aside are bounded for each origin, and in all.
func TestJobsAsideAreBounded(t *testing.T) {
	r := newRoom(2, 1)
	var all []*Place
	aside := func(origin string) bool {
		p := enters(t, r)
		all = append(all, p)
		stepped := p.StepAside(origin)
		if !stepped {
			p.leave()
			all = all[:len(all)-1]
		}
		return stepped
	}
	for host := range origins {
		for range leastAside {
			if !aside(fmt.Sprint(host)) {
				t.Fatal("too few jobs of an origin may be aside")
			}
		}
		if aside(fmt.Sprint(host)) {
			t.Error("more jobs of one origin are aside than may be")
		}
	}
	if aside("another") {
		t.Error("more jobs are aside than may be")
	}
	for _, p := range all {
		p.leave()
	}
	if r.count() != 0 || len(r.aside) != 0 {
		t.Errorf("the room is not empty: %+v", r)
	}
}
