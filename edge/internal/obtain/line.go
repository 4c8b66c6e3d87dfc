package obtain

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/admission"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// lines hold each client's flights of a lane in the order in which they came. One more than
// throttle.per_ip.workers of them ask the coordinator or render; the others wait here. A reader's page of
// forty new thumbnails therefore leaves the lane's queue to others, is not refused for its own length, and is
// drawn from its top to its bottom.
type lines struct {
	widest   int // flights of a line that ask or render
	most     int // flights of a line
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
	width int // flights that may ask or render now
	busy  int // flights that ask or render
	// turns has a channel for each flight that waits, the first one at the front. It is closed when it is
	// the flight's turn.
	turns []chan struct{}
}

// errFull means that a line has as many flights as throttle.per_ip.max_queue.
var errFull = errors.New("the client's line at this edge is full")

// againSoon is the pause before a flight asks again while other edges' flights of its client are in the way.
const againSoon = time.Second

func newLines(s settings.Settings) *lines {
	l := &lines{patience: s.Deadline().Behind(), perIP: throttle.All().Get(throttle.PerIP), of: map[lineKey]*line{}}
	if p := s.Throttle.PerIP; !p.Shadow {
		l.widest = p.Workers + 1 // one is ready when a place becomes free
		l.most = max(p.MaxQueue, l.widest)
	}
	return l
}

// asking is a way to ask for a flight's places.
type asking func(context.Context, admission.Request) (admission.Lease, bool, error)

// admit asks for a flight's places when it is its turn. It asks again while only its client's own flights
// are in the way.
func (l *lines) admit(ctx context.Context, r admission.Request, ask asking) (admission.Lease, bool, error) {
	if l.widest == 0 || r.Flight.Exempt || r.Flight.Client == "" {
		return ask(ctx, r)
	}
	key, began := lineKey{r.Flight.Client, r.Flight.Lane}, time.Now()
	switch err := l.wait(ctx, key, began, l.stand); {
	case errors.Is(err, errFull):
		return ask(ctx, r) // the coordinator decides, and operators see its refusal
	case err != nil:
		return nil, false, err
	}
	for {
		lease, done, err := ask(ctx, r)
		if !l.isOwnDoing(err) || time.Since(began) > l.patience {
			return l.held(key, lease), done, err
		}
		if errors.Is(err, throttle.ErrCrowded) {
			if l.stepBack(ctx, key, began) != nil {
				return nil, false, err
			}
		}
	}
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
		return l.perIP.Refuse(0, throttle.Waited, l.patience)
	}
}

// change changes a line, and gives turns to the flights that have room. It drops a line without flights.
func (l *lines) change(key lineKey, how func(*line) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	one := l.of[key]
	if one == nil {
		one = &line{width: l.widest}
		l.of[key] = one
	}
	err := how(one)
	for one.busy < one.width && len(one.turns) > 0 {
		close(one.turns[0])
		one.turns = one.turns[1:]
		one.busy++
	}
	if one.busy == 0 && len(one.turns) == 0 {
		delete(l.of, key)
	}
	return err
}

// stand puts a flight at the end of a line.
func (l *lines) stand(one *line, turn chan struct{}) error {
	if one.busy+len(one.turns) >= l.most {
		return errFull
	}
	one.turns = append(one.turns, turn)
	return nil
}

// stepBack puts a flight whose client crowds the lane back to the front of its line, until another flight of
// the line ends. From then on, the line is as narrow as the lane lets it be. After an error, the flight is in
// the line no more.
func (l *lines) stepBack(ctx context.Context, key lineKey, began time.Time) error {
	alone := false
	err := l.wait(ctx, key, began, func(one *line, turn chan struct{}) error {
		one.busy--
		alone = one.busy == 0
		one.width = max(1, one.busy)
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
