package places

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// lines hold each client's flights of a lane in the order in which they came. One more than the workers of
// per-ip ask the coordinator or render; the others wait here, as many as its max_queue together. A reader's
// page of forty new thumbnails therefore leaves the lane's queue to others, is not refused for its own
// length, and is drawn from its top to its bottom.
type lines struct {
	next     admitter
	limits   func(client string) settings.Pool // of per-ip now, directives included
	turnAway func(admission.Request, lease.Reason)
	patience time.Duration
	perIP    throttle.Throttle

	mu sync.Mutex
	of map[lineKey]*line
}

type lineKey struct {
	client string
	lane   renderjob.Lane
}

// line is one client's, in one lane.
type line struct {
	narrow int // bounds the flights that ask or render, since the client crowded the lane; 0: the lane had room
	busy   int // flights that ask or render
	// turns has a channel for each flight that waits, the first one at the front. It is closed when it is
	// the flight's turn.
	turns []chan struct{}
	// passing counts the flights that refuseFull let through and that do not stand here yet.
	passing admission.Passing
}

// full reports whether a line of at most so many flights has no room.
func (l *line) full(most int) bool { return l.busy+len(l.turns)+l.passing.Count() >= most }

// againSoon is the pause before a flight asks again while other edges' flights of its client are in the way.
const againSoon = time.Second

func newLines(c Config, next admitter) *lines {
	return &lines{
		next: next, limits: c.PerIP, turnAway: c.Admitter.TurnAway, patience: c.Settings.Deadline().Behind(),
		perIP: throttle.All().Get(throttle.PerIP), of: map[lineKey]*line{},
	}
}

// bounds returns the number of a client's flights in a line that may ask or render, and of all its flights.
func (l *lines) bounds(client string) (widest, most int) {
	p := l.limits(client)
	if p.Shadow {
		return math.MaxInt, math.MaxInt
	}
	widest = p.Workers + 1 // one is ready when a place becomes free
	return widest, max(p.MaxQueue, widest)
}

// Admit asks for a flight's places when it is its turn. It asks again while only its client's own flights
// are in the way.
func (l *lines) Admit(ctx context.Context, r admission.Request) (admission.Lease, bool, error) {
	if r.Flight.Exempt || r.Flight.Client == "" {
		return l.next.Admit(ctx, r)
	}
	key, began := lineKey{r.Flight.Client, r.Flight.Lane}, time.Now()
	if err := l.wait(ctx, key, began, l.stand(key.client)); err != nil {
		l.count(r, err)
		return nil, false, err
	}
	for {
		places, done, err := l.next.Admit(ctx, r)
		if !l.isOwnDoing(err) || time.Since(began) > l.patience {
			return l.held(key, places), done, err
		}
		if errors.Is(err, throttle.ErrCrowded) {
			if l.stepBack(ctx, key, began) != nil {
				return nil, false, err
			}
		}
	}
}

// refuseFull refuses a flight whose client's line is full, as stand does.
func (l *lines) refuseFull(r admission.Request) error {
	client := r.Flight.Client
	if r.Flight.Exempt || client == "" {
		return nil
	}
	l.mu.Lock()
	one := l.of[lineKey{client, r.Flight.Lane}]
	_, most := l.bounds(client)
	full := one != nil && one.full(most)
	l.mu.Unlock()
	if !full {
		return nil
	}
	err := l.perIP.Refuse(l.limits(client).Timeout, throttle.Full)
	l.count(r, err)
	return err
}

// expect keeps a place for a flight that stands in its client's line soon.
func (l *lines) expect(r admission.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if one := l.of[lineKey{r.Flight.Client, r.Flight.Lane}]; one != nil { // a line without flights has room
		one.passing.Add()
	}
}

// count counts a refusal by the line itself.
func (l *lines) count(r admission.Request, err error) {
	if fault.Of(err).Throttle == string(l.perIP.Name) {
		l.turnAway(r, reasonOf(err))
	}
}

// reasonOf returns the reason of a refusal by per-ip.
func reasonOf(refusal error) lease.Reason {
	if errors.Is(refusal, throttle.ErrWaited) {
		return lease.TimedOut
	}
	return lease.Full
}

// isOwnDoing reports whether the client's own flights took the places.
func (l *lines) isOwnDoing(err error) bool {
	own := errors.Is(err, throttle.ErrWaited) || errors.Is(err, throttle.ErrCrowded)
	return own && fault.Of(err).Throttle == string(l.perIP.Name)
}

// held returns a lease whose end makes room for the next flight. Without a lease, there is room at once.
func (l *lines) held(key lineKey, of admission.Lease) admission.Lease {
	if of == nil {
		l.leave(key)
		return nil
	}
	return &lineLease{lease: of, leave: sync.OnceFunc(func() { l.leave(key) })}
}

// lineLease makes room in its line when it takes no place of the lane any more.
type lineLease struct {
	lease admission.Lease
	leave func()
}

func (h *lineLease) Release(o admission.Outcome) {
	h.lease.Release(o)
	h.leave()
}

func (h *lineLease) LeaveLane() {
	h.lease.LeaveLane()
	h.leave()
}

// wait returns when it is the flight's turn, or with an error when the patience since began is over. place
// puts the flight into the line.
func (l *lines) wait(ctx context.Context, key lineKey, began time.Time, place func(*line, chan struct{}) error) error {
	turn := make(chan struct{})
	if err := l.change(key, func(one *line) error { return place(one, turn) }); err != nil {
		return err
	}
	late := time.NewTimer(l.patience - time.Since(began))
	defer late.Stop()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		l.quit(key, turn)
		return ctx.Err()
	case <-late.C:
		l.quit(key, turn)
		return l.perIP.Refuse(0, throttle.Waited, l.patience).Because(throttle.ErrWaited)
	}
}

// change changes a line, and gives turns to the flights that have room. It drops a line without flights.
func (l *lines) change(key lineKey, how func(*line) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.of[key]
	if one == nil {
		one = &line{}
		l.of[key] = one
	}
	err := how(one)
	width, _ := l.bounds(key.client)
	if one.narrow > 0 {
		width = min(width, one.narrow)
	}
	for one.busy < width && len(one.turns) > 0 {
		close(one.turns[0])
		one.turns = one.turns[1:]
		one.busy++
	}
	if one.busy == 0 && len(one.turns) == 0 {
		delete(l.of, key)
	}
	return err
}

// stand returns a way to put a client's flight at the end of a line.
func (l *lines) stand(client string) func(*line, chan struct{}) error {
	return func(one *line, turn chan struct{}) error {
		one.passing.Arrive()
		if _, most := l.bounds(client); one.busy+len(one.turns) >= most {
			return l.perIP.Refuse(l.limits(client).Timeout, throttle.Full)
		}
		one.turns = append(one.turns, turn)
		return nil
	}
}

// stepBack puts a flight whose client crowds the lane back to the front of its line, until another flight of
// the line ends. From then on, the line is as narrow as the lane lets it be. After an error, the flight is in
// the line no more.
func (l *lines) stepBack(ctx context.Context, key lineKey, began time.Time) error {
	alone := false
	err := l.wait(ctx, key, began, func(one *line, turn chan struct{}) error {
		one.busy--
		alone = one.busy == 0
		one.narrow = max(1, one.busy)
		one.turns = slices.Insert(one.turns, 0, turn)
		return nil
	})
	if alone && err == nil { // flights of other edges are in the way
		if err = periodic.Sleep(ctx, againSoon); err != nil {
			l.leave(key)
		}
	}
	return err
}

func (l *lines) leave(key lineKey) {
	_ = l.change(key, func(one *line) error { one.busy--; return nil })
}

// quit takes a flight out of its line, also one whose turn has just come.
func (l *lines) quit(key lineKey, turn chan struct{}) {
	_ = l.change(key, func(one *line) error {
		if at := slices.Index(one.turns, turn); at >= 0 {
			one.turns = slices.Delete(one.turns, at, at+1)
		} else {
			one.busy--
		}
		return nil
	})
}
