package operators

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/directive"
)

// DirectiveList answers GET Directives with the directives in force.
type DirectiveList struct {
	Directives []directive.Directive `json:"directives"`
}

// DirectiveRequest is the body of POST Directives: an operator's decision. Workers and MaxQueue of 0
// and a nil Shadow keep the rule's values.
type DirectiveRequest struct {
	Kind     directive.Kind `json:"kind"`
	Target   string         `json:"target"` // a network, rule, lane, renderer or original, by Kind
	Workers  uint32         `json:"workers,omitempty"`
	MaxQueue uint32         `json:"max_queue,omitempty"`
	Shadow   *bool          `json:"shadow,omitempty"`
	Who      string         `json:"who"`
	Why      string         `json:"why"`
	Hold     string         `json:"hold"` // a duration for time.ParseDuration, such as "30m"
}

// HoldsFor sets the time for which the directive is in force.
func (r *DirectiveRequest) HoldsFor(d time.Duration) { r.Hold = d.String() }
