// Package demand measures the demand of each client, so that one client's flood is told
// apart from a lack of renderers.
//
// Rates and shares are means over about a minute, with exponential decay.
package demand

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	// Smooth is the time constant of the means.
	Smooth = time.Minute
	// most bounds the clients in memory. Further clients count in the sums alone.
	most = 10_000
	// least is the rate per second below which a client counts as quiet, and is forgotten.
	least = 0.005
	// listed bounds the clients in a list.
	listed = 100
)

// Book has the clients of the last minutes. Its methods are safe for concurrent use.
type Book struct {
	mu      sync.Mutex
	clients map[string]*client
	sum     client // of all clients
	first   time.Time
	last    time.Time
}

// client is one client's rates, and its counts since the last turn.
type client struct {
	limited     bool      // per-ip limits it
	since       time.Time // of the first refusal or work of its current activity
	came        counts
	work        float64                   // seconds of a place of a lane, per second
	spent       float64                   // seconds of processor time, per second
	asked       float64                   // renders that ended and refusals, per second
	refused     map[throttle.Name]float64 // per second
	refusedSum  float64
	troublesome time.Time // since when it is refused; zero while it is not
}

type counts struct {
	work    float64
	spent   float64
	asked   int
	refused map[throttle.Name]int
}

// New makes a book without clients.
func New() *Book { return &Book{clients: map[string]*client{}} }

// Worked counts an ended lease of a client, that held a place of a lane for a time. Clients that per-ip
// does not limit may take any share.
func (b *Book) Worked(name string, limited bool, held time.Duration) {
	b.count(name, func(c *client) {
		c.limited = limited
		c.came.asked++
		c.came.work += held.Seconds()
	})
}

// Spent counts the processor time of a client's render, also of a failed one.
func (b *Book) Spent(name string, took time.Duration) {
	b.count(name, func(c *client) { c.came.spent += took.Seconds() })
}

// Turned counts a refused request of a client, by the class of the pool that refused.
func (b *Book) Turned(name string, by throttle.Name) {
	b.count(name, func(c *client) {
		if by == throttle.PerIP {
			c.limited = true
		}
		if c.came.refused == nil {
			c.came.refused = map[throttle.Name]int{}
		}
		c.came.refused[by]++
		c.came.asked++
	})
}

// count changes a client and the sum.
func (b *Book) count(name string, change func(*client)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(&b.sum)
	c := b.clients[name]
	if c == nil && name != "" && len(b.clients) < most { // PoolCounter's clients have no name
		c = &client{since: time.Now()}
		b.clients[name] = c
	}
	if c != nil {
		change(c)
	}
}

// Turn takes the counts since the last turn into the means.
func (b *Book) Turn(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	took := now.Sub(b.last).Seconds()
	first := b.last.IsZero()
	b.last = now
	if first {
		b.first = now
	}
	if first || took <= 0 {
		return
	}
	weight := 1 - math.Exp(-took/Smooth.Seconds())
	b.sum.turn(now, weight, took)
	for name, c := range b.clients {
		c.turn(now, weight, took)
		if c.isQuiet() {
			delete(b.clients, name)
		}
	}
}

func (c *client) isQuiet() bool { return c.asked < least && c.work < least && c.spent < least }

func (c *client) turn(now time.Time, weight, took float64) {
	decay := func(mean *float64, came float64) { *mean += weight * (came/took - *mean) }
	decay(&c.work, c.came.work)
	decay(&c.spent, c.came.spent)
	decay(&c.asked, float64(c.came.asked))
	if c.refused == nil {
		c.refused = map[throttle.Name]float64{}
	}
	for by := range c.came.refused {
		c.refused[by] += 0 // a new throttle gets a mean
	}
	c.refusedSum = 0
	for by, mean := range c.refused {
		decay(&mean, float64(c.came.refused[by]))
		c.refused[by] = mean
		c.refusedSum += mean
	}
	switch {
	case c.refusedSum < least:
		c.troublesome = time.Time{}
	case c.troublesome.IsZero():
		c.troublesome = now
	}
	c.came = counts{}
}

// Client is the demand of one client. Shares are between 0 and 1.
type Client struct {
	Name         string                    `json:"name"`
	Limited      bool                      `json:"limited"`          // per-ip limits it
	Asked        float64                   `json:"asked_per_second"` // renders and refusals
	Refused      float64                   `json:"refused_per_second"`
	By           map[throttle.Name]float64 `json:"refused_by,omitempty"` // refusals per second by throttle
	RefusedShare float64                   `json:"refused_share"`        // of all refusals
	WorkShare    float64                   `json:"work_share"`           // of the time of all places of lanes
	Processors   float64                   `json:"processors"`           // processor time of its renders, in seconds per second
	CPUShare     float64                   `json:"cpu_share"`            // of the processor time of all renders
	Since        time.Time                 `json:"since"`                // of its refusals; of its first request if none is refused
	Takes        string                    `json:"takes"`                // its part of the cluster, in words of package problems
}

// Clients lists the clients with the largest shares of refusals and of work or processor time, at most a hundred.
func (b *Book) Clients() []Client {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.known()
	all := []Client{}
	for name, c := range b.clients {
		if c.isQuiet() {
			continue // it came after the last turn
		}
		told := Client{
			Name: name, Limited: c.limited, Asked: c.asked / known, Refused: c.refusedSum / known,
			RefusedShare: share(c.refusedSum, b.sum.refusedSum), WorkShare: share(c.work, b.sum.work),
			Processors: c.spent / known, CPUShare: share(c.spent, b.sum.spent), Since: c.since.UTC(),
		}
		if !c.troublesome.IsZero() {
			told.Since = c.troublesome.UTC()
		}
		told.By = perSecond(c.refused, known)
		all = append(all, told)
	}
	slices.SortFunc(all, func(a, b Client) int {
		return cmp.Or(cmp.Compare(b.weight(), a.weight()), cmp.Compare(a.Name, b.Name))
	})
	return all[:min(len(all), listed)]
}

// weight orders clients: its part of refusals, and of the renderers' work.
func (c Client) weight() float64 { return c.RefusedShare + max(c.WorkShare, c.CPUShare) }

// known is the part of the mean that is known: means start at zero.
func (b *Book) known() float64 {
	return max(1-math.Exp(-b.last.Sub(b.first).Seconds()/Smooth.Seconds()), 1e-6)
}

func perSecond(means map[throttle.Name]float64, known float64) map[throttle.Name]float64 {
	all := map[throttle.Name]float64{}
	for by, mean := range means {
		if mean >= least {
			all[by] = mean / known
		}
	}
	return all
}

func share(of, all float64) float64 {
	if all <= 0 {
		return 0
	}
	return min(of/all, 1)
}

// Load is the part of the renderers' work that one client offers.
type Load struct {
	Work    float64 // share of the work that renderers do
	Refused float64 // requests per second that lanes refuse
}

// Loads lists the loads of the clients that per-ip limits: each counts up to its fair share.
func (b *Book) Loads() (all []Load) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.known()
	for _, c := range b.clients {
		if c.limited {
			all = append(all, Load{share(c.work, b.sum.work), c.refused[throttle.Lane] / known})
		}
	}
	return all
}
