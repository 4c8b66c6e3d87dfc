// Package flight joins all requests on one edge that wait for the same
// thumbnail. One of them, the leader, is admitted and charged; all get what it
// gets. When the leader alone is refused (its client has too much under way),
// the oldest waiter of another client leads next.
//
// A flight outlives its waiters only once its render has begun; when the last
// waiter leaves before, the flight is told, and ends.
package flight

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// Lead takes a flight to its end for the client that leads it. It calls Answer
// once it knows the outcome, and may go on after that. An error that it returns
// before it answered refuses that client alone.
type Lead[T any] func(ctx context.Context, f *Flight[T], client string) error

// Group is all flights of one edge.
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

// New makes a group with its bounds on waiters, in all and of one client.
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
	// the rest is guarded by the group's mutex
	waiters  []*waiter[T] // oldest first
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
	answer chan outcome[T] // one place
}

// Do waits for the flight of this key, and starts it with lead when there is
// none. It returns when the flight is answered or ctx ends.
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
		g.all.Go(func() { f.fly(lead) })
	}
	f.waiters = append(f.waiters, w)
	g.waiters++
	g.perClient[client]++
	return f, w, nil
}

func (g *Group[T]) bounded(client string) error {
	if g.stopping {
		return fault.New(fault.Unavailable, "this edge is stopping")
	}
	if g.waiters >= g.maxWaiters {
		return fault.New(fault.Unavailable, "this edge has %d requests waiting already", g.maxWaiters)
	}
	if g.perClient[client] >= g.maxPerClient {
		return throttle.All().Get(throttle.PerIP).Refuse(0, "at most %d requests of one address may wait", g.maxPerClient)
	}
	return nil
}

// leave takes a waiter out that no longer waits.
func (g *Group[T]) leave(f *Flight[T], w *waiter[T]) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range f.waiters {
		if other == w {
			f.waiters = append(f.waiters[:i], f.waiters[i+1:]...)
			g.forget(w)
			break
		}
	}
	f.abandonIfEmpty()
}

func (g *Group[T]) forget(w *waiter[T]) {
	g.waiters--
	if g.perClient[w.client]--; g.perClient[w.client] == 0 {
		delete(g.perClient, w.client)
	}
}

// abandonIfEmpty tells the leader that nobody waits. Who comes from now on
// starts a flight of its own, since this one may be ending.
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

// Forget lets who comes from now on start a flight of their own, for all keys that begin
// so. Who waits already gets what the earlier one brings.
func (g *Group[T]) Forget(prefix string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for key := range g.flights {
		if strings.HasPrefix(key, prefix) {
			delete(g.flights, key)
		}
	}
}

// fly lets one client after the other lead until one of them gets through.
func (f *Flight[T]) fly(lead Lead[T]) {
	for {
		client, ok := f.leader()
		if !ok {
			return
		}
		err := lead(f.group.base, f, client)
		if err == nil || f.done() {
			f.Answer(*new(T), errors.New("flight: the leader ended without an answer")) // no effect after a real one
			f.group.mu.Lock()
			f.remove()
			f.group.mu.Unlock()
			return
		}
		f.refuse(client, err)
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
	return f.waiters[0].client, true
}

// refuse answers the waiters of one client.
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

// Answer answers all who wait and, with a value, all who join while the leader
// goes on; who comes after an error starts anew. Only the first call counts.
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

// Abandoned is closed when the last waiter leaves before an answer.
func (f *Flight[T]) Abandoned() <-chan struct{} { return f.abandoned }

// Counts are the flights and the waiters now.
func (g *Group[T]) Counts() (flights, waiters int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.flights), g.waiters
}

// Stop refuses new waiters and waits for the flights to end; when ctx ends
// before, they are cut off.
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
