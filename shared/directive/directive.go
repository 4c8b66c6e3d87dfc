// Package directive defines the decisions of operators that hold for a time: exempt or block a
// network, change a limit, pause a lane, drain a renderer, clear failures.
//
// An operator gives a directive to a coordinator. The coordinator tells its edges. The edges
// tell their other coordinators, and tell a coordinator again after its restart, so a directive
// lives as long as one of these processes. It ends by itself. Every process keeps it once, and
// remembers a withdrawn directive until its original end, so that no process restores it.
//
// Coordinators apply limits, and edges apply the other kinds.
package directive

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nuid"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// Kind says what happens to the target.
type Kind string

// The kinds.
const (
	Exempt Kind = "exempt" // a network is not counted by per-ip
	Block  Kind = "block"  // nothing is served to a network
	Limit  Kind = "limit"  // a rule, or the clients of a network, have other limits, or another mode
	Pause  Kind = "pause"  // a lane takes no new work
	Drain  Kind = "drain"  // a renderer takes no new jobs
	Clear  Kind = "clear"  // an original's failures are forgotten, once
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Exempt, Block, Limit, Pause, Drain, Clear} }

// Bounds of a directive.
const (
	Longest = 30 * 24 * time.Hour
	// forClear is the time in which all edges get a directive.
	forClear  = time.Minute
	maxText   = 300  // bytes of the fields Who and Why
	maxTarget = 1024 // bytes
	maxLimit  = 1_000_000
)

// Directive is one decision.
type Directive struct {
	ID     string `json:"id"`
	Kind   Kind   `json:"kind"`
	Target string `json:"target"` // a network, a throttle's rule, a lane, renderer or original, by Kind
	// Workers and MaxQueue are the limits of a rule. 0, or a nil Shadow, keeps the value.
	Workers  uint32    `json:"workers,omitempty"`
	MaxQueue uint32    `json:"max_queue,omitempty"`
	Shadow   *bool     `json:"shadow,omitempty"`
	Who      string    `json:"who"`
	Why      string    `json:"why"`
	Began    time.Time `json:"began"` // by the clock of the coordinator that took it; people read it, code does not
	// LeftMS is the time in milliseconds from the moment of writing until the end. A
	// time left needs no synchronous clocks.
	LeftMS    int64  `json:"left_ms"`
	Withdrawn string `json:"withdrawn,omitempty"` // name of the operator
}

// New returns the directive with an ID, the time hold, and its target in canonical form. The error
// joins all problems that Validate finds.
func New(d Directive, hold time.Duration) (Directive, error) {
	d.ID, d.Began, d.Withdrawn = nuid.Next(), time.Now().UTC(), ""
	if d.Kind == Clear {
		hold = forClear
	}
	d.LeftMS = hold.Milliseconds()
	d.nameRule()
	if d.Kind == Exempt || d.Kind == Block {
		if network, err := throttle.ParseNetwork(d.Target); err == nil {
			d.Target = network.String()
		}
	}
	return d, d.Validate()
}

// nameRule replaces another spelling of a rule in the target of a limit by the rule's name.
func (d *Directive) nameRule() {
	if d.Kind != Limit {
		return
	}
	if name, err := throttle.All().RuleName(d.Target); err == nil {
		d.Target = name
	}
}

// Validate returns an error that joins all problems with a directive.
func (d Directive) Validate() error {
	var all []error
	if d.Who == "" || d.Why == "" || len(d.Who) > maxText || len(d.Why) > maxText {
		all = append(all, fmt.Errorf("the fields who and why have %d and %d bytes: write 1 to %d bytes in each", len(d.Who), len(d.Why), maxText))
	}
	if d.LeftMS <= 0 || d.LeftMS > Longest.Milliseconds() {
		all = append(all, fmt.Errorf("hold of %v: choose more than 0 and at most %v", time.Duration(d.LeftMS)*time.Millisecond, Longest))
	}
	if len(d.Withdrawn) > maxText {
		all = append(all, fmt.Errorf("withdrawn has %d bytes: name the operator in at most %d", len(d.Withdrawn), maxText))
	}
	if d.Target == "" || len(d.Target) > maxTarget {
		all = append(all, fmt.Errorf("target has %d bytes: write 1 to %d", len(d.Target), maxTarget))
	}
	return errors.Join(append(all, d.validateKind())...)
}

func (d Directive) validateKind() error {
	if d.Kind != Limit && (d.Workers != 0 || d.MaxQueue != 0 || d.Shadow != nil) {
		return fmt.Errorf("kind %s has workers, max_queue or shadow: only kind %s allows them", d.Kind, Limit)
	}
	switch d.Kind {
	case Exempt, Block:
		return d.validateNetwork()
	case Limit:
		return d.validateLimits()
	case Pause:
		return oneOf("target", d.Target, renderjob.Lanes())
	case Drain, Clear:
		return nil
	}
	return oneOf("kind", string(d.Kind), Kinds())
}

func oneOf[T ~string](what, got string, all []T) error {
	var names []string
	for _, one := range all {
		if string(one) == got {
			return nil
		}
		names = append(names, string(one))
	}
	return fmt.Errorf("%s is %q: write one of %s", what, got, strings.Join(names, ", "))
}

func (d Directive) validateNetwork() error {
	network, err := throttle.ParseNetwork(d.Target)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	if network.Bits() == 0 && d.Kind == Block {
		return fmt.Errorf("target %s blocks every client: name a smaller network", network)
	}
	return nil
}

func (d Directive) validateLimits() error {
	throttles := throttle.All()
	rule, err := throttles.RuleName(d.Target)
	switch {
	case err != nil:
		return fmt.Errorf("target: %w", err)
	case d.Shadow != nil && *d.Shadow && !throttles.CanShadow(rule):
		return fmt.Errorf("throttle %s has no shadow mode, since it admits no more renders than renderers can run: change its limits instead", rule)
	case d.Workers == 0 && d.MaxQueue == 0 && d.Shadow == nil:
		return errors.New("the limit is empty: set workers, max_queue or shadow")
	case d.Workers > maxLimit || d.MaxQueue > maxLimit:
		return fmt.Errorf("workers is %d and max_queue is %d: write at most %d", d.Workers, d.MaxQueue, maxLimit)
	case d.Workers > 0 && d.MaxQueue > 0 && d.MaxQueue < d.Workers:
		return fmt.Errorf("max_queue (%d) is below workers (%d): raise it, since it counts holders and waiters", d.MaxQueue, d.Workers)
	}
	return nil
}

// Encode returns a directive as JSON.
func (d Directive) Encode() string {
	text, _ := json.Marshal(d) // plain values
	return string(text)
}

// Decode parses a directive that Encode wrote, and validates it.
func Decode(text string) (d Directive, err error) {
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return d, fmt.Errorf("directive: %w", err)
	}
	if d.ID == "" || len(d.ID) > 64 {
		return d, fmt.Errorf("the ID of the directive has %d bytes: it must have 1 to 64", len(d.ID))
	}
	d.nameRule() // an older coordinator may use another spelling
	return d, d.Validate()
}
