// Package activity knows the busiest clients and originals of the last minutes,
// in a bounded sketch: HeavyKeeper, whose counts fade.
package activity

import (
	"strings"
	"sync"
	"time"

	"github.com/segmentio/topk"

	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

const (
	kept  = 50  // of each
	decay = 0.9 // as the library advises
	// A tenth of all counts fades every so often: half of them in two minutes.
	fadeEvery = 18 * time.Second
	fadeBy    = 0.1
)

// Activity counts requests and refusals by client and by original.
type Activity struct {
	mu     sync.Mutex
	faded  time.Time
	counts map[list]*topk.HeavyKeeper
}

// list is one of the lists that are kept.
type list struct {
	class   poolcounter.Class
	refused bool
}

// New makes an activity without any.
func New() *Activity {
	a := &Activity{faded: time.Now(), counts: map[list]*topk.HeavyKeeper{}}
	for _, class := range []poolcounter.Class{poolcounter.ClassIP, poolcounter.ClassOriginal} {
		a.counts[list{class, false}] = topk.New(kept, decay)
		a.counts[list{class, true}] = topk.New(kept, decay)
	}
	return a
}

// Asked counts a request for a pool; those of other classes are not counted.
func (a *Activity) Asked(key string) { a.add(key, false) }

// Refused counts a refusal.
func (a *Activity) Refused(key string) { a.add(key, true) }

func (a *Activity) add(key string, refused bool) {
	counts := a.counts[list{poolcounter.ClassOf(key), refused}]
	if counts == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fade()
	counts.Sample(key, 1)
}

func (a *Activity) fade() {
	for ; time.Since(a.faded) >= fadeEvery; a.faded = a.faded.Add(fadeEvery) {
		if time.Since(a.faded) > time.Hour { // nothing of then is left
			a.faded = time.Now()
		}
		for _, counts := range a.counts {
			counts.DecayAll(fadeBy)
		}
	}
}

// Busy is one client or original.
type Busy struct {
	Name  string `json:"name"`
	Count uint32 `json:"count"` // of the last minutes, fading
}

// Busiest gives those of a class that asked, or were refused, most often.
func (a *Activity) Busiest(class poolcounter.Class, refused bool) []Busy {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fade()
	all := []Busy{}
	for _, f := range a.counts[list{class, refused}].Top() {
		_, name, _ := strings.Cut(f.Flow, ":")
		all = append(all, Busy{name, f.Count})
	}
	return all
}
