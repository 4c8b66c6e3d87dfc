// Package directive is what operators decide for a time: whom to let pass, whom to
// keep out, other limits, a lane that pauses, a renderer that drains.
//
// An operator gives one to a coordinator. That tells its edges, which tell their other
// coordinators and bring it along to one that restarts; so a directive lives as long as
// any of them does, and ends by itself. Who hears the same one twice keeps it once. One
// that was withdrawn is remembered as such until it would have ended, so that nobody
// brings it back.
//
// Coordinators (limits) and edges (the rest) follow them.
package directive

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/nats-io/nuid"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

// Kind says what is to be done with the target.
type Kind string

// The kinds.
const (
	Exempt Kind = "exempt" // a network is not counted by per-ip
	Block  Kind = "block"  // nothing is served to a network
	Limit  Kind = "limit"  // a rule has other limits, or another mode
	Pause  Kind = "pause"  // a lane takes no new work
	Drain  Kind = "drain"  // a renderer takes no new jobs
	Clear  Kind = "clear"  // an original's failures are forgotten, once
)

// Kinds lists them.
func Kinds() []Kind { return []Kind{Exempt, Block, Limit, Pause, Drain, Clear} }

// Bounds of a directive.
const (
	Longest = 30 * 24 * time.Hour
	// forClear is how long it takes at most until all edges have heard.
	forClear   = time.Minute
	maxText    = 300  // bytes of Who and Why
	maxTarget  = 1024 // bytes
	maxLimit   = 1_000_000
	subscriber = 64 // bits of an IPv6 network: throttles know no smaller one
)

// Directive is one decision.
type Directive struct {
	ID     string `json:"id"`
	Kind   Kind   `json:"kind"`
	Target string `json:"target"` // a network, a throttle's rule, a lane, renderer or original, by Kind
	// Workers and MaxQueue are a rule's limits; 0 leaves what it has. So does a nil Shadow.
	Workers  uint32    `json:"workers,omitempty"`
	MaxQueue uint32    `json:"max_queue,omitempty"`
	Shadow   *bool     `json:"shadow,omitempty"`
	Who      string    `json:"who"`
	Why      string    `json:"why"`
	Began    time.Time `json:"began"` // by the clock of the coordinator that took it; for people
	// LeftMS is how long it holds from when this was written, so that hosts' clocks need
	// not agree. Milliseconds.
	LeftMS    int64  `json:"left_ms"`
	Withdrawn string `json:"withdrawn,omitempty"` // by whom
}

// New checks what an operator wants, and gives it an ID.
func New(d Directive, hold time.Duration) (Directive, error) {
	d.ID, d.Began, d.Withdrawn = nuid.Next(), time.Now().UTC(), ""
	if d.Kind == Clear {
		hold = forClear
	}
	d.LeftMS = hold.Milliseconds()
	d.nameRule()
	if d.Kind == Exempt || d.Kind == Block {
		if network, err := settings.ParseNetwork(d.Target); err == nil {
			if network.Addr().Is6() && !strings.Contains(d.Target, "/") {
				network = netip.PrefixFrom(network.Addr(), subscriber)
			}
			d.Target = network.Masked().String()
		}
	}
	return d, d.Validate()
}

// nameRule gives a limit's target the name that the throttle has, of those that are
// understood.
func (d *Directive) nameRule() {
	if d.Kind != Limit {
		return
	}
	if name, err := throttle.All().RuleName(d.Target); err == nil {
		d.Target = name
	}
}

// Validate says everything that is wrong with a directive.
func (d Directive) Validate() error {
	var all []error
	if d.Who == "" || d.Why == "" || len(d.Who) > maxText || len(d.Why) > maxText {
		all = append(all, fmt.Errorf("who and why are to be said, in at most %d bytes each", maxText))
	}
	if d.LeftMS <= 0 || d.LeftMS > Longest.Milliseconds() {
		all = append(all, fmt.Errorf("it is to hold for more than 0 and at most %v", Longest))
	}
	if len(d.Withdrawn) > maxText {
		all = append(all, fmt.Errorf("who withdraws it is to be said in at most %d bytes", maxText))
	}
	if d.Target == "" || len(d.Target) > maxTarget {
		all = append(all, fmt.Errorf("target is to have 1 to %d bytes", maxTarget))
	}
	return errors.Join(append(all, d.validateKind())...)
}

func (d Directive) validateKind() error {
	if d.Kind != Limit && (d.Workers != 0 || d.MaxQueue != 0 || d.Shadow != nil) {
		return fmt.Errorf("workers, max_queue and shadow are of kind %s alone", Limit)
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
	return fmt.Errorf("%s is to be one of %s, not %q", what, strings.Join(names, ", "), got)
}

func (d Directive) validateNetwork() error {
	network, err := netip.ParsePrefix(d.Target)
	if err != nil {
		return fmt.Errorf("target is to be a network such as 192.0.2.0/24 or 2001:db8::/48: %q", d.Target)
	}
	if network.Addr().Is6() && network.Bits() > subscriber {
		return fmt.Errorf("target: the smallest IPv6 network that throttles know is a /%d", subscriber)
	}
	if network.Bits() == 0 && d.Kind == Block {
		return errors.New("target: that is everybody")
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
		return fmt.Errorf("throttle %s cannot be in shadow mode: it would let through what renderers have no room for", rule)
	case d.Workers == 0 && d.MaxQueue == 0 && d.Shadow == nil:
		return errors.New("a limit is to say workers, max_queue or shadow")
	case d.Workers > maxLimit || d.MaxQueue > maxLimit:
		return fmt.Errorf("workers and max_queue are at most %d", maxLimit)
	case d.Workers > 0 && d.MaxQueue > 0 && d.MaxQueue < d.Workers:
		return errors.New("max_queue counts those who hold places too: it is at least workers")
	}
	return nil
}

// Encode writes a directive as it travels.
func (d Directive) Encode() string {
	text, _ := json.Marshal(d) // plain values
	return string(text)
}

// Decode reads what travelled.
func Decode(text string) (d Directive, err error) {
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return d, fmt.Errorf("directive: %w", err)
	}
	if d.ID == "" || len(d.ID) > 64 {
		return d, errors.New("a directive without an ID")
	}
	d.nameRule() // an older coordinator may call it otherwise
	return d, d.Validate()
}
