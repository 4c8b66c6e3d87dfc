package demand

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/throttle"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 0.02*math.Max(1, want) {
		t.Errorf("%s is %v, not %v", what, got, want)
	}
}

// One client is refused 38 times a second and does four fifths of the work. It appears once.
func TestOneClientStandsOut(t *testing.T) {
	b, now := New(), time.Unix(1000, 0)
	for second := range 30 {
		b.Turn(now.Add(time.Duration(second) * time.Second))
		for range 30 {
			b.Turned("203.0.113.66", throttle.PerIP)
		}
		for range 8 {
			b.Turned("203.0.113.66", throttle.Lane)
			b.Worked("203.0.113.66", true, 100*time.Millisecond)
		}
		b.Turned("192.0.2.1", throttle.Lane)
		b.Worked(fmt.Sprint("10.0.0.", second), true, 100*time.Millisecond)
		b.Worked("exempt 10.1.1.1", false, 100*time.Millisecond)
	}
	b.Turn(now.Add(30 * time.Second))
	first := b.Clients()[0]
	if first.Name != "203.0.113.66" || !first.Limited || first.Since.IsZero() {
		t.Errorf("%+v", first)
	}
	near(t, "its rate of refusals", first.Refused, 38)
	near(t, "its refusals by lanes", first.By[throttle.Lane], 8)
	near(t, "its share of refusals", first.RefusedShare, 38./39)
	near(t, "its share of work", first.WorkShare, 0.8)
	if n := len(b.Loads()); n != 31 { // the exempt client and the one that is only refused by a lane are not limited
		t.Errorf("%d clients are limited", n)
	}
}

// A client that stops is forgotten, and so are clients beyond the bound.
func TestClientsAreForgotten(t *testing.T) {
	b, now := New(), time.Unix(1000, 0)
	b.Turn(now)
	for i := range most + 5 {
		b.Turned(fmt.Sprint(i), throttle.PerIP)
	}
	b.Turn(now.Add(time.Second))
	if len(b.clients) != most || len(b.Clients()) != listed {
		t.Errorf("%d clients", len(b.clients))
	}
	b.Turn(now.Add(10 * time.Minute))
	if len(b.clients) != 0 || len(b.Clients()) != 0 {
		t.Errorf("%d clients stay", len(b.clients))
	}
}

// A client whose few renders take most of the processor time stands out, although it asks rarely.
func TestProcessorTimeOfClients(t *testing.T) {
	b, now := New(), time.Unix(1000, 0)
	for second := range 60 {
		b.Turn(now.Add(time.Duration(second) * time.Second))
		if second%10 == 0 {
			b.Spent("203.0.113.66", 7*time.Second)
		}
		for range 10 {
			b.Worked("192.0.2.1", true, 10*time.Millisecond)
		}
		b.Spent("192.0.2.1", 100*time.Millisecond)
	}
	b.Turn(now.Add(60 * time.Second))
	for _, c := range b.Clients() {
		switch c.Name {
		case "203.0.113.66":
			if c.Processors < 0.6 || c.Processors > 0.8 || c.CPUShare < 0.85 {
				t.Errorf("%+v", c)
			}
		default:
			near(t, "the processors of the other client", c.Processors, 0.1)
		}
	}
}
