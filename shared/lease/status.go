package lease

import "time"

// Status is an edge's report to operators, the JSON of KindStatus. An edge sends it after a change, at
// most once a second.
type Status struct {
	Version  string            `json:"version"`
	Asked    string            `json:"coordinator"` // the coordinator that the edge asks; "" if no coordinator answers
	Breakers map[string]string `json:"breakers"`    // state by name: closed, half-open, open
	// Decisions counts the decisions of each throttle since the edge's start: admit, wait, refuse,
	// shadow, exempt.
	Decisions map[string]map[string]int64 `json:"decisions"`
	// Requests counts answers by outcome since the edge's start.
	Requests map[string]int64 `json:"requests"`
	// Times counts answers by outcome and by their time, since the edge's start. An outcome has a number
	// for each bound of TimeBounds, and a last one for longer times. Edges before 0.9 send none.
	Times map[string][]int64 `json:"times,omitempty"`
	// Steps has the time of each step of rendered answers since the edge's start, in milliseconds, by the names of
	// the header Server-Timing. The steps queued, fetch and worker are parts of the step render.
	Steps   map[string]int64 `json:"steps_ms,omitempty"`
	Lanes   []Lane           `json:"lanes"`
	Failing []Failing        `json:"failing"` // the latest failing originals
	// Directives says that this edge understands KindDirective.
	Directives bool `json:"directives,omitempty"`
	// TurnsAway says that this edge reports requests that it refuses itself (KindTurned).
	TurnsAway bool `json:"turns_away,omitempty"`
}

// Lane is one lane of the queue as an edge sees it.
type Lane struct {
	Name  string `json:"name"`
	Depth int64  `json:"depth"`  // jobs in the queue or in renderers' hands
	AgeMS int64  `json:"age_ms"` // of the oldest of these jobs
}

// Failing is one original that failed lately.
type Failing struct {
	Original string    `json:"original"`
	Page     int       `json:"page,omitempty"`
	Thumb    string    `json:"thumbnail,omitempty"` // set if only this thumbnail counts
	Fault    string    `json:"fault"`
	Message  string    `json:"message"`
	Engine   string    `json:"engine"`
	Failures int       `json:"failures"`
	Last     time.Time `json:"last"`
	// Limit is the number of failures from which edges refuse the original until Again.
	Limit int       `json:"limit,omitempty"`
	Again time.Time `json:"again,omitzero"` // set once edges refuse the original
}

// TimeBounds returns the upper bounds of the bins of Status.Times, in seconds, rising.
func TimeBounds() []float64 {
	// The bins of Wikimedia's exporter, and smaller ones for hits.
	return []float64{.001, .0025, .005, .01, .02, .05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 120}
}
