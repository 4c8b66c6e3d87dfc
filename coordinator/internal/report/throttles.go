package report

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
	Requests   map[string]float64    `json:"requests_per_second"`
	Refusals   map[string]float64    `json:"refusals_per_second"`
	Lanes      []Lane                `json:"lanes"`
	Renderers  []renderjob.Heartbeat `json:"renderers"`
	Directives []directive.Directive `json:"directives"`
	// Wanted is the right number of renderers.
	Wanted int `json:"renderers_wanted"`
	// Latest is the latest point of the history, which comes every ten seconds.
	Latest Point `json:"latest"`
	// Clients are the clients with the largest shares of refusals and of work, each once.
	Clients []demand.Client `json:"clients"`
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
}

// Edge is one edge with its own status.
type Edge struct {
	Name      string        `json:"name"`
	Connected bool          `json:"connected"`
	Leases    int           `json:"leases"`
	Waiting   int           `json:"waiting"`
	Status    *lease.Status `json:"status,omitempty"`
}
