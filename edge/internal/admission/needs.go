package admission

import (
	"fmt"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Breaker is what a coordinator's circuit breaker tells.
type Breaker interface {
	Name() string
	State() gobreaker.State
}

// ruleIndex counts in rules.
type ruleIndex int

const (
	ruleIP ruleIndex = iota
	ruleOriginal
	ruleExpensive
	ruleLanes // and one for each lane from here
)

// rules are this edge's limits as they are now: those of the settings, and a pool
// for each lane, as large as the renderers that live let it be.
func (a *Admitter) rules() []lease.Rule {
	t := a.Throttle
	rules := []lease.Rule{
		rule("ip", t.PerIP), rule("original", t.PerOriginal), rule("expensive", t.Expensive.Pool()),
	}
	for _, lane := range renderjob.Lanes() {
		rules = append(rules, rule("lane:"+string(lane), a.lanePool(lane)))
	}
	return rules
}

func rule(name string, p settings.Pool) lease.Rule {
	return lease.Rule{Name: name, Workers: uint32(p.Workers), MaxQueue: uint32(p.MaxQueue), Shadow: p.Shadow} //nolint:gosec // bounded by settings
}

func (a *Admitter) lanePool(lane renderjob.Lane) settings.Pool {
	workers := max(a.LaneWorkers(lane), 1)
	return settings.Pool{Workers: workers, MaxQueue: a.pace.of(lane).MaxQueue(workers, a.Throttle.QueueWait), Timeout: a.Throttle.QueueWait}
}

// need is one pool of a request.
type need struct {
	throttle Throttle
	rule     ruleIndex
	class    poolcounter.Class
	name     string
	pool     settings.Pool
	places   int
}

// needs are the pools of a request.
func (a *Admitter) needs(r Request) (needs []need) {
	t := a.Throttle
	if !clientaddr.IsExempt(r.Client) {
		needs = append(needs, need{PerIP, ruleIP, poolcounter.ClassIP, r.Client, t.PerIP, 1})
	}
	needs = append(needs, need{PerOriginal, ruleOriginal, poolcounter.ClassOriginal, r.Original.String(), t.PerOriginal, 1})
	if r.Type != "" {
		pool := t.Expensive.Pool()
		places := min(max(r.Places, 1), pool.Workers)
		needs = append(needs, need{Expensive, ruleExpensive, poolcounter.ClassExpensive, string(r.Type), pool, places})
	}
	for i, lane := range renderjob.Lanes() {
		if lane == r.Lane {
			needs = append(needs, need{Lane, ruleLanes + ruleIndex(i), poolcounter.ClassLane, string(lane), a.lanePool(lane), 1})
		}
	}
	return needs
}

// refuse is the fault of a refusal by this need's throttle.
func (n need) refuse(full bool, queueWait time.Duration) error {
	why := fmt.Sprintf("no place became free within %v", min(n.pool.Timeout, queueWait))
	if full {
		why = "as many requests run or wait already as may"
	}
	kind, what := fault.Throttled, map[Throttle]string{
		PerIP:       "Too many thumbnails are rendered for your address at once",
		PerOriginal: "Too many thumbnails of this original are rendered at once",
		Expensive:   "Too many thumbnails of this expensive type are rendered at once",
		Lane:        "All renderers are busy",
	}[n.throttle]
	if n.throttle == Lane {
		kind = fault.LaneFull
	}
	f := fault.New(kind, "%s (throttle %s): %s", what, n.throttle, why)
	f.Throttle = string(n.throttle)
	f.RetryAfterSeconds = max(1, int(n.pool.Timeout.Seconds()))
	return f
}
