package purge

import (
	"context"
	"strings"
	"sync"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// maxTogether is the largest number of originals that are purged by URL at the same time.
const maxTogether = 1000

// Together purges originals by URL. MediaWiki sends a request for each thumbnail of a file. All requests
// that come during a purge of the file share the next purge, which sees everything that existed when
// they came.
type Together struct {
	purge   func(ctx context.Context, original string) Report
	base    context.Context //nolint:containedctx // of all purges; ended by Close
	cancel  context.CancelFunc
	working sync.WaitGroup

	mu    sync.Mutex
	turns map[string]*turn // the running turn, by original
}

// turn is one purge, for all requests that wait for it.
type turn struct {
	done   chan struct{} // closed at its end
	report Report        // set before done is closed
	next   *turn         // for requests that came after it began; nil without such requests
}

func newTurn() *turn { return &turn{done: make(chan struct{})} }

// NewTogether returns a Together. purge purges one original. The caller must close it.
func NewTogether(purge func(ctx context.Context, original string) Report) *Together {
	t := &Together{purge: purge, turns: map[string]*turn{}}
	t.base, t.cancel = context.WithCancel(context.Background())
	return t
}

// Close ends the running purges.
func (t *Together) Close() {
	t.cancel()
	t.working.Wait()
}

// Purge returns when a purge that began after the call has ended. Its fault names the places that the
// purge did not reach.
func (t *Together) Purge(ctx context.Context, original string) error {
	r, err := t.join(original)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.done:
	}
	if len(r.report.Missed) > 0 {
		return fault.New(fault.Unavailable, "the purge did not reach everything: %s", strings.Join(r.report.Missed, "; "))
	}
	return nil
}

// join returns the turn that a request waits for, and begins a turn unless one runs.
func (t *Together) join(original string) (*turn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	current, under := t.turns[original]
	switch {
	case under && current.next != nil:
		return current.next, nil
	case under:
		current.next = newTurn()
		return current.next, nil
	case len(t.turns) >= maxTogether || t.base.Err() != nil:
		return nil, fault.New(fault.Unavailable, "%d originals are purged already: ask again", len(t.turns))
	}
	first := newTurn()
	t.turns[original] = first
	t.working.Go(func() { t.work(original, first) })
	return first, nil
}

// work runs the turns of one original until no request waits for another turn.
func (t *Together) work(original string, r *turn) {
	for r != nil {
		r.report = t.purge(t.base, original)
		close(r.done)
		r = t.after(original, r)
	}
}

// after returns the next turn as the running one, or nil if no request waits for it.
func (t *Together) after(original string, r *turn) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.next == nil {
		delete(t.turns, original)
		return nil
	}
	t.turns[original] = r.next
	return r.next
}
