package purge

import (
	"context"
	"strings"
	"sync"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// maxTogether bounds the originals that are purged at once by URL.
const maxTogether = 1000

// Together purges originals for those who ask by URL. MediaWiki asks once for each thumbnail
// of a file: all who ask while a purge of it is under way share the next one, which sees
// everything that was there when they asked.
type Together struct {
	purge   func(ctx context.Context, original string) Report
	base    context.Context //nolint:containedctx // of all purges; ended by Close
	cancel  context.CancelFunc
	working sync.WaitGroup

	mu    sync.Mutex
	turns map[string]*turn // the one under way, by original
}

// turn is one purge, for all who wait for it.
type turn struct {
	done   chan struct{} // closed at its end
	report Report        // from then on
	next   *turn         // for those who asked after it began; nil without any
}

func newTurn() *turn { return &turn{done: make(chan struct{})} }

// NewTogether makes it; purge purges one original.
func NewTogether(purge func(ctx context.Context, original string) Report) *Together {
	t := &Together{purge: purge, turns: map[string]*turn{}}
	t.base, t.cancel = context.WithCancel(context.Background())
	return t
}

// Close ends the purges under way.
func (t *Together) Close() {
	t.cancel()
	t.working.Wait()
}

// Purge returns when a purge that began after the call has ended. Its fault names what could
// not be reached.
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

// join finds the turn to wait for, and begins it where none is under way.
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

// work does turns of one original until nobody waits for another.
func (t *Together) work(original string, r *turn) {
	for r != nil {
		r.report = t.purge(t.base, original)
		close(r.done)
		r = t.after(original, r)
	}
}

// after makes the next turn the one under way, if anybody waits for it.
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
