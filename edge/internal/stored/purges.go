package stored

import (
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/thumbmill/thumbmill/shared/cache"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// purges counts purges, and knows the number of each original's last one. What was
// remembered under an earlier number is void: so that a purge costs the same however
// much is remembered, and one that comes between a read and its remembering counts.
type purges struct {
	latest atomic.Uint64
	all    atomic.Uint64 // everything from before this one is void
	by     cache.Cache[thumbnail.Location, uint64]
}

const purgesBound = 100_000

// newPurges remembers purges for a time that is longer than anything else is remembered.
func newPurges(keep time.Duration) (*purges, error) {
	p := &purges{}
	var err error
	p.by, err = otter.New(&otter.Options[thumbnail.Location, uint64]{
		MaximumSize: purgesBound, ExpiryCalculator: otter.ExpiryWriting[thumbnail.Location, uint64](keep), Executor: cache.InCaller,
		OnAtomicDeletion: func(e otter.DeletionEvent[thumbnail.Location, uint64]) {
			if e.Cause == otter.CauseOverflow { // a purge must not be forgotten: then all is void
				p.addAll()
			}
		},
	})
	return p, err
}

func (p *purges) close() { p.by.StopAllGoroutines() }

// count is to be read before what is to be remembered.
func (p *purges) count() uint64 { return p.latest.Load() }

func (p *purges) add(original thumbnail.Location) { p.by.Set(original, p.latest.Add(1)) }

func (p *purges) addAll() {
	now := p.latest.Add(1)
	for before := p.all.Load(); before < now && !p.all.CompareAndSwap(before, now); before = p.all.Load() {
	}
}

// after reports whether a purge came after the given count.
func (p *purges) after(count uint64, original thumbnail.Location) bool {
	if p.latest.Load() == count { // most often: there was none at all
		return false
	}
	if p.all.Load() > count {
		return true
	}
	last, ok := p.by.GetIfPresent(original)
	return ok && last > count
}
