package stored

import (
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/thumbmill/thumbmill/shared/cache"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// purges numbers the purges, and knows the number of each original's last purge. An entry that was
// remembered under an earlier number is void. A purge therefore costs the same for a large memory
// as for a small one, and a purge between a read and its remembering counts.
type purges struct {
	latest atomic.Uint64
	all    atomic.Uint64 // entries under an earlier number are void for every original
	by     cache.Cache[thumbnail.Location, uint64]
}

const purgesBound = 100_000

// newPurges returns purges that remember each purge for keep, which must be longer than the cache
// keeps entries.
func newPurges(keep time.Duration) (*purges, error) {
	p := &purges{}
	var err error
	p.by, err = otter.New(&otter.Options[thumbnail.Location, uint64]{
		MaximumSize: purgesBound, ExpiryCalculator: otter.ExpiryWriting[thumbnail.Location, uint64](keep), Executor: cache.InCaller,
		OnAtomicDeletion: func(e otter.DeletionEvent[thumbnail.Location, uint64]) {
			if e.Cause == otter.CauseOverflow { // the cache dropped a purge, so everything is void
				p.addAll()
			}
		},
	})
	return p, err
}

func (p *purges) close() { p.by.StopAllGoroutines() }

// count returns the number of the latest purge. Callers read the number before they read the data that
// they will remember.
func (p *purges) count() uint64 { return p.latest.Load() }

func (p *purges) add(original thumbnail.Location) { p.by.Set(original, p.latest.Add(1)) }

func (p *purges) addAll() {
	now := p.latest.Add(1)
	for before := p.all.Load(); before < now && !p.all.CompareAndSwap(before, now); before = p.all.Load() {
	}
}

// after reports whether a purge of the original came after count.
func (p *purges) after(count uint64, original thumbnail.Location) bool {
	if p.latest.Load() == count { // no purge at all came since, as almost always
		return false
	}
	if p.all.Load() > count {
		return true
	}
	last, ok := p.by.GetIfPresent(original)
	return ok && last > count
}
