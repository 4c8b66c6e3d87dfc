// Package flight joins all requests on one edge that wait for the same thumbnail. The coordinator
// admits and counts one of them, the leader; all get the leader's answer. When the leader alone is
// refused, because its client has too many renders under way, or leaves before it is admitted, the oldest
// waiter of another client leads next.
//
// A flight whose render has begun goes on without waiters. When the last waiter leaves earlier, the
// flight learns that, and ends.
package flight

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/stack"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// ErrManyOfClient is the cause of the refusal of a client with too many waiters.
var ErrManyOfClient = errors.New("the client has too many waiters on this edge")

// ErrDeserted means that the client that led a flight has left it: another client may lead.
var ErrDeserted = errors.New("the client left before the render began")

// Lead takes a flight to its end for the client that leads the flight. It calls Answer once it
// knows the outcome, and may go on after that. If it returns an error before it calls Answer, that
// error refuses only that client; ErrDeserted refuses nobody.
type Lead[T any] func(ctx context.Context, f *Flight[T], client string) error

// Group is all flights of one edge. Its methods are safe for concurrent use.
type Group[T any] struct {
	maxWaiters, maxPerClient int

	base   context.Context //nolint:containedctx // of all flights; ended by Stop
	cancel context.CancelFunc
	all    sync.WaitGroup

	mu        sync.Mutex
	flights   map[string]*Flight[T]
	waiters   int
	perClient map[string]int
	stopping  bool
}

// New returns a group with bounds on the number of waiters: in all, and of one client. The caller
// stops it.
func New[T any](maxWaiters, maxPerClient int) *Group[T] {
	g := &Group[T]{
		maxWaiters: maxWaiters, maxPerClient: maxPerClient,
		flights: map[string]*Flight[T]{}, perClient: map[string]int{},
	}
	g.base, g.cancel = context.WithCancel(context.Background()) //nolint:gosec // Stop calls it
	return g
}

// Flight is one thumbnail under way.
type Flight[T any] struct {
	group     *Group[T]
	key       string
	abandoned chan struct{}
	// The group's mutex guards the fields below.
	waiters  []*waiter[T]  // oldest first
	leading  string        // the client that leads
	deserted chan struct{} // closed when the leading client has left
	stays    bool          // deserted is open
	answered bool
	left     bool // abandoned is closed
	outcome  outcome[T]
}

type outcome[T any] struct {
	value T
	err   error
}

type waiter[T any] struct {
	client string
	answer chan outcome[T] // has room for one outcome
}

// Do waits for the flight with a key, and starts it with lead if there is none. It returns when the
// flight is answered or ctx ends. It returns a fault if the group has too many waiters, or stops.
func (g *Group[T]) Do(ctx context.Context, key, client string, lead Lead[T]) (T, error) {
	var none T
	f, w, err := g.join(key, client, lead)
	if err != nil {
		return none, err
	}
	select {
	case o := <-w.answer:
		return o.value, o.err
	case <-ctx.Done():
		g.leave(f, w)
		return none, ctx.Err()
	}
}

// Has reports whether there is a flight with a key.
func (g *Group[T]) Has(key string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.flights[key] != nil
}

func (g *Group[T]) join(key, client string, lead Lead[T]) (*Flight[T], *waiter[T], error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, w := g.flights[key], &waiter[T]{client: client, answer: make(chan outcome[T], 1)}
	if f != nil && f.answered {
		w.answer <- f.outcome
		return f, w, nil
	}
	if err := g.bounded(client); err != nil {
		return nil, nil, err
	}
	if f == nil {
		f = &Flight[T]{group: g, key: key, abandoned: make(chan struct{})}
		g.flights[key] = f
		g.all.Go(func() {
			stack.Reserve()
			f.fly(lead)
		})
	}
	f.waiters = append(f.waiters, w)
	g.waiters++
	g.perClient[client]++
	return f, w, nil
}

func (g *Group[T]) bounded(client string) error {
	if g.stopping {
		return fault.New(fault.Unavailable, "this edge stops: try again")
	}
	if g.waiters >= g.maxWaiters {
		return fault.New(fault.Unavailable, "%d requests wait on this edge already: try again", g.maxWaiters)
	}
	if g.perClient[client] >= g.maxPerClient {
		return throttle.All().Get(throttle.PerIP).Refuse(0, throttle.Held, g.maxPerClient).Because(ErrManyOfClient)
	}
	return nil
}

// leave removes a waiter.
func (g *Group[T]) leave(f *Flight[T], w *waiter[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range f.waiters {
		if other == w {
			f.waiters = append(f.waiters[:i], f.waiters[i+1:]...)
			g.forget(w)
			f.desertWithout(w.client)
			break
		}
	}
	f.abandonIfEmpty()
}

// desertWithout tells the leader of an unanswered flight that its client has left.
func (f *Flight[T]) desertWithout(client string) {
	if f.stays && client == f.leading && !slices.ContainsFunc(f.waiters, func(w *waiter[T]) bool { return w.client == client }) {
		f.stays = false
		close(f.deserted)
	}
}

func (g *Group[T]) forget(w *waiter[T]) {
	g.waiters--
	if g.perClient[w.client]--; g.perClient[w.client] == 0 {
		delete(g.perClient, w.client)
	}
}

// abandonIfEmpty tells the leader of an unanswered flight that no request waits. Later requests
// start another flight, since this flight may end soon.
func (f *Flight[T]) abandonIfEmpty() {
	if len(f.waiters) == 0 && !f.answered && !f.left {
		f.left = true
		close(f.abandoned)
		f.remove()
	}
}

func (f *Flight[T]) remove() {
	if f.group.flights[f.key] == f {
		delete(f.group.flights, f.key)
	}
}

// Forget removes the flights whose keys have a prefix, so that later requests start other flights.
// Requests that wait already get the answer of the removed flights.
func (g *Group[T]) Forget(prefix string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key := range g.flights {
		if strings.HasPrefix(key, prefix) {
			delete(g.flights, key)
		}
	}
}

// fly lets one client after the other lead, until one is not refused.
func (f *Flight[T]) fly(lead Lead[T]) {
	for {
		client, ok := f.leader()
		if !ok {
			return
		}
		err := lead(f.group.base, f, client)
		if err == nil || f.done() {
			f.Answer(*new(T), errors.New("flight: the leader ended without an answer")) // has no effect after an answer
			f.group.mu.Lock()
			f.remove()
			f.group.mu.Unlock()
			return
		}
		if !errors.Is(err, ErrDeserted) {
			f.refuse(client, err)
		}
	}
}

func (f *Flight[T]) done() bool {
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	return f.answered
}

func (f *Flight[T]) leader() (string, bool) {
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	if len(f.waiters) == 0 {
		f.abandonIfEmpty()
		return "", false
	}
	f.leading, f.deserted, f.stays = f.waiters[0].client, make(chan struct{}), true
	return f.leading, true
}

// refuse answers all waiters of one client with an error.
func (f *Flight[T]) refuse(client string, err error) {
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	var others []*waiter[T]
	for _, w := range f.waiters {
		if w.client != client {
			others = append(others, w)
			continue
		}
		w.answer <- outcome[T]{err: err}
		f.group.forget(w)
	}
	f.waiters = others
}

// Answer answers all waiters. With a value, it also answers the requests that join while the
// leader goes on. After an error, later requests start another flight. Only the first call counts.
func (f *Flight[T]) Answer(value T, err error) {
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	if f.answered {
		return
	}
	f.answered, f.outcome = true, outcome[T]{value, err}
	if err != nil {
		f.remove()
	}
	for _, w := range f.waiters {
		w.answer <- f.outcome
		f.group.forget(w)
	}
	f.waiters = nil
}

// Abandoned returns a channel that is closed when the last waiter leaves before an answer.
func (f *Flight[T]) Abandoned() <-chan struct{} { return f.abandoned }

// Deserted returns a channel that is closed when the last waiter of the leading client leaves before an answer.
func (f *Flight[T]) Deserted() <-chan struct{} {
	f.group.mu.Lock()
	defer f.group.mu.Unlock()
	return f.deserted
}

// Counts returns the numbers of flights and of waiters now.
func (g *Group[T]) Counts() (flights, waiters int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.flights), g.waiters
}

// Stop refuses new waiters, and waits until all flights end. If ctx ends first, Stop cancels the
// flights, waits for them, and returns the error of ctx.
func (g *Group[T]) Stop(ctx context.Context) error {
	g.mu.Lock()
	g.stopping = true
	g.mu.Unlock()
	done := make(chan struct{})
	go func() { g.all.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	g.cancel()
	<-done
	return err
}
