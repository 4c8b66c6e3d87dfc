package lease

import "time"

// Status is what an edge wants operators to see, as the JSON of KindStatus. It
// is sent when it changed, at most once a second.
type Status struct {
	Version  string            `json:"version"`
	Asked    string            `json:"coordinator"` // the one that it asks; "" = none answers
	Breakers map[string]string `json:"breakers"`    // state by name: closed, half-open, open
	// Decisions counts those of each throttle since the edge's start: admit, wait,
	// refuse, shadow, exempt.
	Decisions map[string]map[string]int64 `json:"decisions"`
	// Requests counts answers by outcome since the edge's start.
	Requests map[string]int64 `json:"requests"`
	Lanes    []Lane           `json:"lanes"`
	Failing  []Failing        `json:"failing"` // the latest ones
	// Directives: this edge understands KindDirective.
	Directives bool `json:"directives,omitempty"`
}

// Lane is what an edge sees of one lane of the queue.
type Lane struct {
	Name  string `json:"name"`
	Depth int64  `json:"depth"`  // jobs that wait or are in renderers' hands
	AgeMS int64  `json:"age_ms"` // of the oldest of them
}

// Failing is one original that failed lately.
type Failing struct {
	Original string    `json:"original"`
	Page     int       `json:"page,omitempty"`
	Thumb    string    `json:"thumbnail,omitempty"` // when this thumbnail alone counts
	Fault    string    `json:"fault"`
	Message  string    `json:"message"`
	Engine   string    `json:"engine"`
	Failures int       `json:"failures"`
	Last     time.Time `json:"last"`
}
