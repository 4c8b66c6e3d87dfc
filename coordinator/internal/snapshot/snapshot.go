// Package snapshot has the state of the cluster at one moment as operators read it, in JSON.
// coordinator/PROTOCOL.md explains each field.
package snapshot

import (
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/demand"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// Throttles is the report.
type Throttles struct {
	Time    time.Time               `json:"time"`
	Started time.Time               `json:"started"`
	Classes map[throttle.Name]Class `json:"classes"`
	Pools   []Pool                  `json:"pools"`
	Omitted int                     `json:"pools_omitted"`
	Rules   []Rule                  `json:"rules"`
	Busiest Busiest                 `json:"busiest"`
	Edges   []Edge                  `json:"edges"`
	Failing []lease.Failing         `json:"failing"`
	// Requests are rates of all edges by outcome, Refusals by throttle, in events per second over the
	// last ten seconds.
	Requests map[string]float64 `json:"requests_per_second"`
	Refusals map[string]float64 `json:"refusals_per_second"`
	// Steps has the mean milliseconds of each step of the renders that ended in the last ten seconds (lease.Status).
	Steps      map[string]float64    `json:"steps_ms"`
	Lanes      []Lane                `json:"lanes"`
	Renderers  []renderjob.Heartbeat `json:"renderers"`
	Directives []directive.Directive `json:"directives"`
	// Wanted is the right number of renderers.
	Wanted int `json:"renderers_wanted"`
	// Latest is the latest point of the history, which comes every ten seconds.
	Latest Point `json:"latest"`
	// Clients are the clients with the largest shares of refusals and of work, each once.
	Clients []demand.Client `json:"clients"`
	// State sums up the cluster, and Problems lists the things that need attention, the worst first.
	State    State     `json:"state"`
	Speed    Speed     `json:"speed"`
	Problems []Problem `json:"problems"`
}

// Severity says how bad a problem is.
type Severity string

// The severities, the worst first. A cluster without critical problems and warnings is Good.
const (
	Critical Severity = "critical"
	Warning  Severity = "warning"
	Note     Severity = "note"
	Good     Severity = "good"
)

// State is the cluster in one word and one sentence.
type State struct {
	Severity Severity `json:"severity"` // never Note
	Word     string   `json:"word"`
	Sentence string   `json:"sentence"`
}

// Speed says how long answers take, and where most of a render's time goes.
type Speed struct {
	Sentence string `json:"sentence"` // "" while no thumbnail is asked for
	Page     string `json:"page"`     // the part of the operators' page with the details, as in Problem
}

// Problem is one thing that needs attention.
type Problem struct {
	Severity Severity `json:"severity"`
	Sentence string   `json:"sentence"`
	// Remedy says how to end the problem; "" if the actions say it.
	Remedy string `json:"remedy,omitempty"`
	// Since is the beginning, as far as this coordinator knows it.
	Since time.Time `json:"since,omitzero"`
	// RefusedUntil is the time of an original's next try.
	RefusedUntil time.Time `json:"refused_until,omitzero"`
	Who          string    `json:"who"` // the client, original, throttle, lane, renderer or edge concerned; "" for the whole cluster
	// Page is the part of the operators' page with the details, such as "lanes" or "clients/192.0.2.7".
	Page    string   `json:"page"`
	Actions []Action `json:"actions"` // the best first
}

// Action is something that an operator can do: give a directive, or withdraw the one with ID.
type Action struct {
	Kind   directive.Kind `json:"kind"`
	Target string         `json:"target"`
	Why    string         `json:"why,omitempty"` // a reason to propose
	ID     string         `json:"id,omitempty"`
}

// Lane is one lane of the queue.
type Lane struct {
	Name    string `json:"name"`
	Depth   int64  `json:"depth"`   // jobs in the queue or in renderers' hands
	AgeMS   int64  `json:"age_ms"`  // of the oldest of these jobs
	Slots   int    `json:"slots"`   // of all renderers, that the lane may use
	Running uint32 `json:"running"` // requests that hold a place of the lane's pool
	Waiting uint32 `json:"waiting"` // requests that wait for a place
	Limit   uint32 `json:"limit"`   // places
	Paused  bool   `json:"paused"`
	Behind  bool   `json:"behind"` // has old jobs, or refuses requests while all its places are taken
}

// Class sums up all pools of one class. The fields named total count since the start.
type Class struct {
	Holders   int64 `json:"holders"`
	Waiters   int64 `json:"waiters"`
	Full      int64 `json:"refused_full_total"`
	TimedOut  int64 `json:"refused_timeout_total"`
	NearLimit int64 `json:"near_limit_total"`
	Shadowed  int64 `json:"shadowed_total"`
}

// Pool is one pool. Limit and MaxQueue are 0 while only PoolCounter's clients use the pool: they state
// their own limits.
type Pool struct {
	Key        string        `json:"key"`
	Name       string        `json:"name"` // the key with its throttle's name in place of the class, decoded
	Class      throttle.Name `json:"class"`
	Holders    uint32        `json:"holders"`
	Waiters    uint32        `json:"waiters"`
	Limit      uint32        `json:"limit"`
	MaxQueue   uint32        `json:"max_queue"`
	OldestWait int64         `json:"oldest_wait_ms"`
	Shadow     bool          `json:"shadow"`
}

// Limits are the limits of a rule as one edge declares them.
type Limits struct {
	Workers  uint32 `json:"workers"`
	MaxQueue uint32 `json:"max_queue"`
	Shadow   bool   `json:"shadow"`
}

// Rule is the limits in force for a kind of pool, and the limits of each edge if edges differ.
type Rule struct {
	Name      string            `json:"name"`
	Workers   uint32            `json:"workers"`
	MaxQueue  uint32            `json:"max_queue"`
	Shadow    bool              `json:"shadow"`
	Directed  bool              `json:"directed"` // a directive sets these limits
	Differing map[string]Limits `json:"differing,omitempty"`
}

// Busiest are the clients and originals of the last minutes.
type Busiest struct {
	Clients          []activity.Busy `json:"clients"`
	Originals        []activity.Busy `json:"originals"`
	RefusedClients   []activity.Busy `json:"refused_clients"`
	RefusedOriginals []activity.Busy `json:"refused_originals"`
	CostlyOriginals  []activity.Busy `json:"costly_originals"` // by processor time in milliseconds
}

// Edge is one edge with its own status.
type Edge struct {
	Name      string        `json:"name"`
	Connected bool          `json:"connected"`
	Leases    int           `json:"leases"`
	Waiting   int           `json:"waiting"`
	Status    *lease.Status `json:"status,omitempty"`
}

// Point is the latest point of the history.
type Point struct {
	End    time.Time          `json:"end"`
	Values map[string]float64 `json:"values"`
}
