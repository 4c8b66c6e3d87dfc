package operators

import (
	"time"

	"github.com/thumbmill/thumbmill/shared/directive"
)

// DirectiveList answers GET Directives: those that hold.
type DirectiveList struct {
	Directives []directive.Directive `json:"directives"`
}

// DirectiveRequest is the body of POST Directives: what an operator decides. Workers and
// MaxQueue of 0, and a Shadow of nil, leave what a rule has.
type DirectiveRequest struct {
	Kind     directive.Kind `json:"kind"`
	Target   string         `json:"target"` // a network, rule, lane, renderer or original, by Kind
	Workers  uint32         `json:"workers,omitempty"`
	MaxQueue uint32         `json:"max_queue,omitempty"`
	Shadow   *bool          `json:"shadow,omitempty"`
	Who      string         `json:"who"`
	Why      string         `json:"why"`
	Hold     string         `json:"hold"` // a duration as time.ParseDuration takes it, such as "30m"
}

// HoldsFor sets how long the directive holds.
func (r *DirectiveRequest) HoldsFor(d time.Duration) { r.Hold = d.String() }
