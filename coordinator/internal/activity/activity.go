// Package activity knows the busiest clients and originals of this minute and the
// last, in bounded sketches (HeavyKeeper).
package activity

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/segmentio/topk"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	kept   = 50  // of each list
	decay  = 0.9 // of the sketch, as its library advises
	window = time.Minute
)

// Activity counts requests and refusals by client and by original, in this minute
// and in the last one.
type Activity struct {
	throttles throttle.Table

	mu    sync.Mutex
	began time.Time // this minute
	lists map[list]*[2]*topk.HeavyKeeper
}

// list is one of the lists that are kept.
type list struct {
	class   throttle.Name
	refused bool
}

// New makes an activity without any.
func New() *Activity {
	a := &Activity{throttles: throttle.All(), began: time.Now(), lists: map[list]*[2]*topk.HeavyKeeper{}}
	for _, class := range []throttle.Name{throttle.PerIP, throttle.PerOriginal} {
		for _, refused := range []bool{false, true} {
			a.lists[list{class, refused}] = &[2]*topk.HeavyKeeper{topk.New(kept, decay), topk.New(kept, decay)}
		}
	}
	return a
}

// Asked counts a request for a pool; those of other classes are not counted.
func (a *Activity) Asked(key string) { a.add(key, key, false) }

// Refused counts a refusal of a request for a pool, by that one or another.
func (a *Activity) Refused(key, by string) {
	name := string(a.throttles.OfKey(by))
	if name == string(throttle.Lane) { // of which there are few, and which one matters
		name = by
	}
	a.add(key, key+separator+name, true)
}

// separator stands between a key and the name of what refused it; keys have no such byte.
const separator = "\x00"

func (a *Activity) add(key, flow string, refused bool) {
	counts := a.lists[list{a.throttles.OfKey(key), refused}]
	if counts == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn()
	counts[0].Sample(flow, 1)
}

// turn begins a new minute when the last is over, or two of them when nothing
// happened for longer.
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
	Count uint32 `json:"count"` // in this minute and the last
	// By is what refused it so often: a class of pools, or one lane's ("lane:standard").
	By string `json:"by,omitempty"`
}

// Busiest gives those of a class that asked, or were refused by one throttle, most often.
func (a *Activity) Busiest(class throttle.Name, refused bool) []Busy {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn()
	counts := map[string]uint32{}
	for _, sketch := range a.lists[list{class, refused}] {
		for _, f := range sketch.Top() {
			counts[f.Flow] += f.Count
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
