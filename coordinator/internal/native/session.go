package native

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/lease"
)

// session is one connection of an edge.
type session struct {
	config *Config
	conn   net.Conn
	name   string
	owner  *pools.Owner
	out    *lease.Outbox
	joined bool // the edge said that it understands directives
}

// followFrames handles frames until the connection ends, and returns the reason of its end.
func (c *session) followFrames(in *bufio.Reader) error {
	var request lease.Request // reused for each frame, with its pools
	var renewed time.Time
	for {
		if now := time.Now(); now.Sub(renewed) > lease.Beat { // not for each frame: setting a deadline costs as much as a frame
			renewed = now
			_ = c.conn.SetReadDeadline(now.Add(lease.Patience + lease.Beat))
		}
		kind, body, err := lease.ReadFrame(in)
		if err == nil {
			err = c.follow(kind, body, &request)
		}
		if err != nil {
			return err
		}
	}
}

// follow handles one frame.
func (c *session) follow(kind lease.Kind, body string, request *lease.Request) error {
	switch kind {
	case lease.KindAcquire:
		return c.acquire(body, request)
	case lease.KindRelease:
		return c.release(body)
	case lease.KindBeat:
		c.out.Add(lease.AppendBeat)
		c.Flush()
	case lease.KindClaim:
		return c.claim(body, request)
	case lease.KindTurned:
		return c.turnAway(body, request)
	case lease.KindSpent:
		return c.spend(body)
	case lease.KindMoved:
		c.config.Log.Info("receive an edge that moved here with its leases", "edge", c.name)
		c.owner.Settle()
	case lease.KindRules:
		return c.setRules(body)
	case lease.KindStatus:
		c.owner.SetStatus(body)
		c.join(body)
	case lease.KindDirective:
		return c.receiveDirective(body)
	case lease.KindFleet:
		return c.config.Fleet.Note(body)
	default:
		return fmt.Errorf("the frame's kind %q is unknown", byte(kind))
	}
	return nil
}

func (c *session) acquire(body string, request *lease.Request) error {
	err := lease.ParseRequest(body, request)
	if err == nil {
		c.countAsked(request)
		c.owner.Acquire(*request)
	}
	return err
}

func (c *session) turnAway(body string, request *lease.Request) error {
	why, err := lease.ParseTurned(body, request)
	if err == nil {
		c.countAsked(request)
		c.owner.TurnAway(*request, why)
	}
	return err
}

// countAsked counts a request for its client and its original.
func (c *session) countAsked(request *lease.Request) {
	for _, p := range request.Pools {
		c.config.Activity.Asked(p.Key)
	}
}

func (c *session) claim(body string, request *lease.Request) error {
	err := lease.ParseRequest(body, request)
	if err == nil {
		c.owner.Claim(*request)
	}
	return err
}

func (c *session) release(body string) error {
	id, outcome, payload, err := lease.ParseRelease(body)
	if err == nil {
		c.owner.Release(id, outcome, payload)
	}
	return err
}

func (c *session) spend(body string) error {
	id, ms, err := lease.ParseSpent(body)
	if err == nil {
		c.owner.Spend(id, time.Duration(ms)*time.Millisecond)
	}
	return err
}

func (c *session) setRules(body string) error {
	rules, err := lease.ParseRules(body)
	if err == nil {
		c.owner.SetRules(rules)
	}
	return err
}

// join sends directives to an edge from now on, if its status says that it understands them. It invites
// the edge to report the requests that the edge turns away, and the processor time of renders, if the status says that
// the edge can.
func (c *session) join(status string) {
	var says struct {
		Directives bool `json:"directives"`
		TurnsAway  bool `json:"turns_away"`
	}
	if c.joined || json.Unmarshal([]byte(status), &says) != nil || !says.Directives {
		return
	}
	c.joined = true
	c.config.Directives.Join(c)
	if says.TurnsAway {
		c.out.Add(lease.AppendCounts)
		c.Flush()
	}
}

func (c *session) receiveDirective(body string) error {
	if !c.joined {
		return errors.New("the edge sent a directive, but its status does not say that it understands directives")
	}
	if err := c.config.Directives.Receive(body); err != nil {
		c.config.Log.Warn("ignore a directive of an edge", "edge", c.name, "error", err)
	}
	return nil
}

// Hear sends a directive.
func (c *session) Hear(directive string) {
	c.out.Add(func(out []byte) []byte { return lease.AppendDirective(out, directive) })
	c.Flush()
}

// Receive puts an answer into the outbox.
func (c *session) Receive(a lease.Answer) {
	c.out.Add(func(out []byte) []byte { return lease.AppendAnswer(out, a) })
}

// Flush wakes the writer.
func (c *session) Flush() { c.out.Wake() }
