package obtain

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
)

// office is a coordinator that grants places of a lane at once, or refuses as it is told.
type office struct {
	mu      sync.Mutex
	places  int      // flights that hold a lease
	room    int      // places of the client; a flight beyond them gets refusal
	refusal error    // ErrWaited or ErrCrowded
	asked   []string // names of flights, in the order of their first questions
	refused int      // answers
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

func (o *office) ask(name string) asking {
	first := true
	return func(ctx context.Context, r admission.Request) (admission.Lease, bool, error) {
		o.mu.Lock()
		if first {
			o.asked = append(o.asked, name)
		}
		first = false
		if o.places < o.room {
			o.places++
			o.mu.Unlock()
			return place{o}, false, nil
		}
		o.refused++
		o.mu.Unlock()
		if errors.Is(o.refusal, throttle.ErrWaited) {
			pass(4 * time.Second)
		}
		return nil, false, throttle.All().Get(throttle.PerIP).Refuse(0, throttle.Full).Because(o.refusal)
	}
}

// page asks for the thumbnails of a page in their order. Each takes a second to render. It returns the names of
// those that were rendered, in their order.
func page(t *testing.T, l *lines, o *office, thumbnails int, client string) (rendered []string) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	for i := range thumbnails {
		name := fmt.Sprint(i)
		all.Go(func() {
			held, _, err := l.admit(t.Context(), asks(client), o.ask(name))
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

func linesOf(s settings.Settings) *lines {
	l, _ := countedLines(s, func() settings.Pool { return s.Throttle.PerIP })
	return l
}

// countedLines also returns the reasons of the refusals that the lines count.
func countedLines(s settings.Settings, limits func() settings.Pool) (*lines, *[]lease.Reason) {
	w := &world{}
	l := newLines(Config{Settings: s, PerIP: limits, Admitter: admitter{w}})
	var counted []lease.Reason
	l.turnAway = func(_ admission.Request, why lease.Reason) { counted = append(counted, why) }
	return l, &counted
}

func asks(client string) admission.Request {
	return admission.Request{Flight: throttle.Request{Client: client, Exempt: clientaddr.IsExempt(client), Lane: "standard"}}
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
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				thumbnails := min(40, 30*c.room) // a page that takes longer than edge.deadline is another test's
				l, o := linesOf(settings.Default()), &office{room: c.room, refusal: c.refusal}
				rendered := page(t, l, o, thumbnails, "a")
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
		l, counted := countedLines(s, func() settings.Pool { return s.Throttle.PerIP })
		o := &office{room: 1, refusal: throttle.ErrCrowded}
		var all sync.WaitGroup
		var leases []admission.Lease
		var mu sync.Mutex
		ctx, leave := context.WithCancel(t.Context())
		for range 4 {
			all.Go(func() {
				held, _, err := l.admit(ctx, asks("a"), o.ask("a"))
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					leases = append(leases, held)
				}
			})
		}
		synctest.Wait()
		if _, _, err := l.admit(ctx, asks("a"), o.ask("more")); !fault.Is(err, fault.Throttled) || slices.Contains(o.asked, "more") || !slices.Equal(*counted, []lease.Reason{lease.Full}) {
			t.Errorf("the fifth flight of a line of four: %v, asked %v, counted %v", err, o.asked, *counted)
		}
		for _, other := range []string{"b", clientaddr.Nobody} {
			free := &office{room: 1}
			if _, _, err := l.admit(ctx, asks(other), free.ask(other)); err != nil {
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
		s := settings.Default()
		l, counted := countedLines(s, func() settings.Pool { return s.Throttle.PerIP })
		o := &office{refusal: throttle.ErrWaited}
		began := time.Now()
		_, _, err := l.admit(t.Context(), asks("a"), o.ask("a"))
		if took := time.Since(began); !fault.Is(err, fault.Throttled) || took < l.patience || took > l.patience+8*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		_, _, err = l.admit(t.Context(), asks("a"), func(context.Context, admission.Request) (admission.Lease, bool, error) {
			return nil, false, throttle.All().Get(throttle.Lane).Refuse(0, throttle.Full).Because(throttle.ErrWaited)
		})
		if !fault.Is(err, fault.LaneFull) || len(l.of) != 0 || len(*counted) != 0 {
			t.Errorf("%v; lines %v; counted %v, besides the coordinator", err, l.of, *counted)
		}
		ctx, leave := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range s.Throttle.PerIP.Workers + 1 {
			all.Go(func() {
				_, _, _ = l.admit(ctx, asks("a"), func(ctx context.Context, _ admission.Request) (admission.Lease, bool, error) {
					<-ctx.Done()
					return nil, false, ctx.Err()
				})
			})
		}
		synctest.Wait()
		if _, _, err = l.admit(ctx, asks("a"), o.ask("behind them")); !fault.Is(err, fault.Throttled) || !slices.Equal(*counted, []lease.Reason{lease.TimedOut}) {
			t.Errorf("a flight whose turn never comes: %v, counted %v", err, *counted)
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
		l, _ := countedLines(settings.Default(), func() settings.Pool { return *limits.Load() })
		o := &office{room: 10}
		var all sync.WaitGroup
		ask := func() {
			all.Go(func() {
				held, _, err := l.admit(t.Context(), asks("a"), o.ask("a"))
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
	l, o := linesOf(s), &office{room: 10}
	for i := range 10 {
		if _, _, err := l.admit(t.Context(), asks("a"), o.ask(fmt.Sprint(i))); err != nil {
			t.Error(err)
		}
	}
	if !slices.Contains(o.asked, "9") {
		t.Error(o.asked)
	}
}
