package places

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// office is a coordinator that grants places of a lane at once, or refuses as it is told.
type office struct {
	mu      sync.Mutex
	places  int            // flights that hold a lease
	room    int            // places of the client; a flight beyond them gets refusal
	refusal error          // ErrWaited or ErrCrowded
	waits   bool           // answers to flights beyond room never come
	asked   []string       // thumbnails, in the order of their first questions
	refused int            // answers
	counted []lease.Reason // refusals of the line
}

// pass lets time pass.
func pass(d time.Duration) { time.Sleep(d) } // in the time of synctest

type place struct{ of *office }

func (p place) Release(admission.Outcome) {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.of.places--
}
func (p place) LeaveLane() {}

// taken returns the number of flights that hold a lease.
func (o *office) taken() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.places
}

func (o *office) CountRefusal(throttle.Name) {}

func (o *office) RefuseFull(admission.Request, bool) error       { return nil }
func (o *office) TurnAway(_ admission.Request, why lease.Reason) { o.counted = append(o.counted, why) }

func (o *office) Admit(ctx context.Context, r admission.Request) (admission.Lease, bool, error) {
	o.mu.Lock()
	if name := r.Thumbnail.Path; !slices.Contains(o.asked, name) {
		o.asked = append(o.asked, name)
	}
	if o.places < o.room {
		o.places++
		o.mu.Unlock()
		return place{o}, false, nil
	}
	o.refused++
	o.mu.Unlock()
	if o.waits {
		<-ctx.Done()
		return nil, false, ctx.Err()
	}
	if errors.Is(o.refusal, throttle.ErrWaited) {
		pass(4 * time.Second)
	}
	return nil, false, throttle.All().Get(throttle.PerIP).Refuse(0, throttle.Full).Because(o.refusal)
}

// page asks for the thumbnails of a page in their order. Each takes a second to render. It returns the names of
// those that were rendered, in their order.
func page(t *testing.T, l *lines, thumbnails int, client string) (rendered []string) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range thumbnails {
		name := fmt.Sprint(i)
		all.Go(func() {
			held, _, err := l.Admit(t.Context(), asks(client, name))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				return
			}
			pass(time.Second)
			mu.Lock()
			rendered = append(rendered, name)
			mu.Unlock()
			held.Release(admission.Outcome{})
		})
		synctest.Wait()
	}
	all.Wait()
	return rendered
}

func linesOf(s settings.Settings, o *office) *lines {
	return limitedLines(s, o, func(string) settings.Pool { return s.Throttle.PerIP })
}

func limitedLines(s settings.Settings, o *office, limits func(string) settings.Pool) *lines {
	return newLines(Config{Settings: s, PerIP: limits, Admitter: o}, o)
}

func asks(client, thumb string) admission.Request {
	return admission.Request{
		Flight:    throttle.Request{Client: client, Exempt: clientaddr.IsExempt(client), Lane: "standard"},
		Thumbnail: thumbnail.Location{Path: thumb},
	}
}

// A reader's page of forty thumbnails is answered whole and in order, however few places there are.
func TestAPageIsAnsweredWhole(t *testing.T) {
	for name, c := range map[string]struct {
		room    int
		refusal error
		most    int // refusals by the coordinator
	}{
		"room for all that ask": {5, nil, 0},
		"four places at a time": {4, throttle.ErrWaited, 12},
		"half of a small lane":  {2, throttle.ErrCrowded, 3},
		"one place":             {1, throttle.ErrCrowded, 4},
		"two hundred slots":     {200, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				thumbnails := min(40, 30*c.room) // a page that takes longer than edge.deadline is another test's
				o := &office{room: c.room, refusal: c.refusal}
				l := linesOf(settings.Default(), o)
				rendered := page(t, l, thumbnails, "a")
				if len(rendered) != thumbnails || o.refused > c.most {
					t.Errorf("%d of %d are rendered after %d refusals", len(rendered), thumbnails, o.refused)
				}
				for i, name := range o.asked { // those whose turn comes in one moment ask in any order
					if n, err := strconv.Atoi(name); err != nil || max(n-i, i-n) > settings.Default().Throttle.PerIP.Workers {
						t.Errorf("asked in the order %v", o.asked)
						break
					}
				}
				if len(l.of) != 0 {
					t.Errorf("lines are left: %v", l.of)
				}
			})
		})
	}
}

func TestALineIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settings.Default()
		s.Throttle.PerIP.Workers, s.Throttle.PerIP.MaxQueue = 1, 4
		o := &office{room: 1, refusal: throttle.ErrCrowded}
		l := linesOf(s, o)
		var all sync.WaitGroup
		var leases []admission.Lease
		var mu sync.Mutex
		ctx, leave := context.WithCancel(t.Context())
		for range 4 {
			all.Go(func() {
				held, _, err := l.Admit(ctx, asks("a", "1"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					leases = append(leases, held)
				}
			})
		}
		synctest.Wait()
		if _, _, err := l.Admit(ctx, asks("a", "more")); !fault.Is(err, fault.Throttled) || slices.Contains(o.asked, "more") || !slices.Equal(o.counted, []lease.Reason{lease.Full}) {
			t.Errorf("the fifth flight of a line of four: %v, asked %v, counted %v", err, o.asked, o.counted)
		}
		o.room = 3
		for _, other := range []string{"b", clientaddr.Nobody} {
			if _, _, err := l.Admit(ctx, asks(other, other)); err != nil {
				t.Errorf("%s waits for another client: %v", other, err)
			}
		}
		leave() // the reader leaves: three flights wait, one renders
		all.Wait()
		if len(leases) != 1 || l.of[lineKey{"a", "standard"}].busy != 1 || len(l.of[lineKey{"a", "standard"}].turns) != 0 {
			t.Errorf("%d leases; the line is %+v", len(leases), l.of[lineKey{"a", "standard"}])
		}
		leases[0].LeaveLane()
		leases[0].Release(admission.Outcome{})
		if _, left := l.of[lineKey{"a", "standard"}]; left {
			t.Error("the empty line is left")
		}
	})
}

// A flight that waited as long as patience is refused, and flights that others keep away are refused at once.
func TestALineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &office{refusal: throttle.ErrWaited}
		l := linesOf(settings.Default(), o)
		began := time.Now()
		_, _, err := l.Admit(t.Context(), asks("a", "1"))
		if took := time.Since(began); !fault.Is(err, fault.Throttled) || took < l.patience || took > l.patience+8*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		l.next = full{}
		_, _, err = l.Admit(t.Context(), asks("a", "2"))
		if !fault.Is(err, fault.LaneFull) || len(l.of) != 0 || len(o.counted) != 0 {
			t.Errorf("%v; lines %v; counted %v, besides the coordinator", err, l.of, o.counted)
		}
	})
}

// full is a coordinator whose lane is full.
type full struct{}

func (full) Admit(context.Context, admission.Request) (admission.Lease, bool, error) {
	return nil, false, throttle.All().Get(throttle.Lane).Refuse(0, throttle.Full).Because(throttle.ErrWaited)
}

func TestATurnThatNeverComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := settings.Default(), &office{waits: true}
		l := linesOf(s, o)
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range s.Throttle.PerIP.Workers + 1 {
			all.Go(func() { _, _, _ = l.Admit(ctx, asks("a", "1")) })
		}
		synctest.Wait()
		if _, _, err := l.Admit(ctx, asks("a", "behind them")); !fault.Is(err, fault.Throttled) || !slices.Equal(o.counted, []lease.Reason{lease.TimedOut}) {
			t.Errorf("%v, counted %v", err, o.counted)
		}
		leave()
		all.Wait()
	})
}

// An operator's directive holds for the line too, from the next change on.
func TestALineFollowsItsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var limits atomic.Pointer[settings.Pool]
		limits.Store(&settings.Pool{Workers: 1, MaxQueue: 4})
		o := &office{room: 10}
		l := limitedLines(settings.Default(), o, func(string) settings.Pool { return *limits.Load() })
		var all sync.WaitGroup
		ask := func() {
			all.Go(func() {
				held, _, err := l.Admit(t.Context(), asks("a", "1"))
				if err != nil {
					t.Error(err)
					return
				}
				pass(time.Second)
				held.Release(admission.Outcome{})
			})
			synctest.Wait()
		}
		for range 4 {
			ask()
		}
		if n := o.taken(); n != 2 {
			t.Errorf("%d flights render, want 2", n)
		}
		limits.Store(&settings.Pool{Workers: 5, MaxQueue: 5})
		ask()
		if n := o.taken(); n != 5 {
			t.Errorf("%d flights render under the higher limit, want 5", n)
		}
		all.Wait()
	})
}

// Without limits for clients, nobody waits for himself.
func TestNoLineInShadowMode(t *testing.T) {
	s := settings.Default()
	s.Throttle.PerIP.Shadow, s.Throttle.PerIP.MaxQueue = true, 1
	o := &office{room: 10}
	l := linesOf(s, o)
	for i := range 10 {
		if _, _, err := l.Admit(t.Context(), asks("a", fmt.Sprint(i))); err != nil {
			t.Error(err)
		}
	}
	if !slices.Contains(o.asked, "9") {
		t.Error(o.asked)
	}
}
