package cost

import (
	"math"
	"sync"
	"time"
)

const (
	// Minute is the time constant of a Ledger's sums.
	Minute = time.Minute
	// most bounds the names of a Ledger. Sums of further names stay 0.
	most = 10_000
	// forgotten is the sum from which a full Ledger forgets a name.
	forgotten = 100 * time.Millisecond
)

// Ledger has the processor time that each name, such as a client, spent within about the last minute: a sum with
// exponential decay. The zero value is ready. Its methods are safe for concurrent use.
type Ledger struct {
	mu   sync.Mutex
	sums map[string]sum
	held map[string]time.Duration // of renders under way; never decays
}

type sum struct {
	spent time.Duration
	at    time.Time
}

// now returns the decayed sum.
func (s sum) now(now time.Time) time.Duration {
	return time.Duration(float64(s.spent) * math.Exp(-float64(now.Sub(s.at))/float64(Minute)))
}

// Hold adds processor time to a name's sum until release, without decay: the estimate of a render under way.
func (l *Ledger) Hold(name string, estimate time.Duration) (release func()) {
	l.hold(name, estimate)
	return sync.OnceFunc(func() { l.hold(name, -estimate) })
}

func (l *Ledger) hold(name string, more time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[string]time.Duration{}
	}
	if l.held[name] += more; l.held[name] <= 0 {
		delete(l.held, name)
	}
}

// Note adds processor time to a name's sum.
func (l *Ledger) Note(name string, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sums == nil {
		l.sums = map[string]sum{}
	}
	now := time.Now()
	known, ok := l.sums[name]
	if !ok && len(l.sums) >= most {
		l.forget(now)
	}
	if ok || len(l.sums) < most {
		l.sums[name] = sum{known.now(now) + took, now}
	}
}

// Spent returns a name's sum, with the time that is held.
func (l *Ledger) Spent(name string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sums[name].now(time.Now()) + l.held[name]
}

// forget drops the names that spent nearly nothing. The caller holds mu.
func (l *Ledger) forget(now time.Time) {
	for name, s := range l.sums {
		if s.now(now) < forgotten {
			delete(l.sums, name)
		}
	}
}

// Dearest remembers the processor time of the latest long render of each original. The zero value is ready. Its methods
// are safe for concurrent use.
type Dearest struct {
	mu    sync.Mutex
	times map[string]time.Duration
	order []string // a ring of the keys of times
	next  int
}

// Note remembers the time of a render of an original, if it is at least a limit, and forgets the original otherwise.
// It keeps the latest 10,000 originals.
func (d *Dearest) Note(original string, took, limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, known := d.times[original]
	switch {
	case !known && took < limit:
		return
	case known:
	case len(d.order) < most:
		d.order = append(d.order, original)
	default:
		delete(d.times, d.order[d.next])
		d.order[d.next] = original
		d.next = (d.next + 1) % most
	}
	if d.times == nil {
		d.times = map[string]time.Duration{}
	}
	d.times[original] = took // 0 keeps the key in the ring
	if took < limit {
		d.times[original] = 0
	}
}

// Of returns the remembered time of an original, or 0.
func (d *Dearest) Of(original string) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.times[original]
}
