// Package activity counts the busiest clients and originals of this minute and the last, and the processor time of
// their renders, in bounded
// sketches (HeavyKeeper).
package activity

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/topk"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	kept   = 50  // entries of each list
	decay  = 0.9 // of the sketch, the value that its library advises
	window = time.Minute
)

// Activity counts requests and refusals by client and by original, in this minute and the last.
type Activity struct {
	throttles throttle.Table

	mu    sync.Mutex
	began time.Time // start of this minute
	lists map[list]*[2]*topk.HeavyKeeper
}

// list names one list: a class of pools, requests or refusals.
type list struct {
	class throttle.Name
	what  Measure
}

// Measure is the kind of a list.
type Measure int

// The lists of each class.
const (
	Requests Measure = iota
	Refusals
	CPU // processor time of renders, in milliseconds
)

// New makes an empty activity.
func New() *Activity {
	a := &Activity{throttles: throttle.All(), began: time.Now(), lists: map[list]*[2]*topk.HeavyKeeper{}}
	for _, row := range a.throttles {
		for _, what := range []Measure{Requests, Refusals, CPU} {
			if row.Listed && (what != CPU || !row.OfClient) { // package demand has the time of clients
				a.lists[list{row.Name, what}] = &[2]*topk.HeavyKeeper{topk.New(kept, decay), topk.New(kept, decay)}
			}
		}
	}
	return a
}

// Asked counts a request for a pool of a client or original. It ignores other classes.
func (a *Activity) Asked(key string) { a.add(key, key, Requests, 1) }

// Refused counts a refusal of a request for the pool of key, by the pool of the key by.
func (a *Activity) Refused(key, by string) {
	a.add(key, key+separator+a.throttles.RuleOfKey(by), Refusals, 1)
}

// Spent counts the processor time of a render for a pool of a client or original. It ignores other classes.
func (a *Activity) Spent(key string, took time.Duration) {
	whole, rest := took/unit, took%unit
	if rand.N(unit) < rest { //nolint:gosec // no secret
		whole++
	}
	if whole > 0 {
		a.add(key, key, CPU, uint32(min(whole, mostUnits))) //nolint:gosec // bounded
	}
}

// Processor time is counted in whole units, rounded up or down at random, because a sketch takes time for each unit
// that it counts: the lock table waits for it.
const (
	unit      = time.Second
	mostUnits = 300
)

// separator stands between a key and the name of its refuser; keys contain no such byte.
const separator = "\x00"

func (a *Activity) add(key, flow string, what Measure, n uint32) {
	counts := a.lists[list{a.throttles.OfKey(key), what}]
	if counts == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn()
	counts[0].Sample(flow, n)
}

// scale returns the number that one count of a list stands for.
func scale(what Measure) uint32 {
	if what == CPU {
		return uint32(unit.Milliseconds())
	}
	return 1
}

// turn begins a new minute after the last, or two minutes after a longer pause.
func (a *Activity) turn() {
	for turns := 0; turns < 2 && time.Since(a.began) >= window; turns++ {
		for _, counts := range a.lists {
			counts[0], counts[1] = counts[1], counts[0]
			counts[0].Reset()
		}
		a.began = a.began.Add(window)
	}
	if time.Since(a.began) >= window {
		a.began = time.Now()
	}
}

// Busy is one client or original.
type Busy struct {
	Name  string `json:"name"`
	Count uint32 `json:"count"` // in this minute and the last; of processor time in milliseconds
	// By is the throttle that refused most, or one lane's rule ("lane:standard").
	By string `json:"by,omitempty"`
}

// Busiest returns the clients or originals that asked most often, were refused most often by one
// throttle, or took most processor time.
func (a *Activity) Busiest(class throttle.Name, what Measure) []Busy {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn()
	counts := map[string]uint32{}
	for _, sketch := range a.lists[list{class, what}] {
		for _, f := range sketch.Top() {
			counts[f.Flow] += f.Count * scale(what)
		}
	}
	all := []Busy{}
	for flow, count := range counts {
		key, by, _ := strings.Cut(flow, separator)
		_, name, _ := strings.Cut(key, ":")
		all = append(all, Busy{name, count, by})
	}
	slices.SortFunc(all, func(a, b Busy) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name), cmp.Compare(a.By, b.By))
	})
	return all[:min(len(all), kept)]
}
