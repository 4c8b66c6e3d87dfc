package throttle

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Causes of refusals that pass when the client's own requests end.
var (
	ErrWaited  = errors.New("waited in vain")
	ErrCrowded = errors.New("the client's requests take half of the lane")
)

// Cause is a reason to refuse. The comment of each says where it is decided.
type Cause int

// The causes.
const (
	Full      Cause = iota + 1 // the pool's line has max_queue requests: coordinator/internal/pools/request.go
	Waited                     // no place became free in time: coordinator/internal/pools/waiting.go, edge/internal/places/line.go
	Crowded                    // the client takes its part of a lane: coordinator/internal/pools/share.go
	Held                       // the client has edge.max_waiters_per_client requests: edge/internal/flight/flight.go
	QueueFull                  // the lane's queue in NATS is full: edge/internal/dispatch/dispatch.go
	Paused                     // a directive pauses the lane: edge/internal/admission/admission.go
	Failed                     // the original failed throttle.failure.max times: edge/internal/failure/failure.go
	Busy                       // the edge has reached its own limit: edge/internal/admission/local.go
)

// Reason is the end of a refusal's message.
type Reason struct {
	Text     string // a format of fmt
	Sentence string // in place of the throttle's sentence; "" keeps that
}

// pooled adds the causes of every throttle that has pools.
func pooled(more map[Cause]Reason) map[Cause]Reason {
	full := Reason{Text: "the line of waiting requests is full"}
	all := map[Cause]Reason{Full: full, Crowded: full, Waited: {Text: "no place became free within %v"}}
	maps.Copy(all, more)
	return all
}

// Refuse returns the fault for a refused request. Its message has the sentence and the name of the
// throttle, and the text of the cause with the args. With a retryAfter of 0 the fault's kind decides when to
// retry. It panics for a cause that the throttle's row lacks.
func (t Throttle) Refuse(retryAfter time.Duration, c Cause, args ...any) *fault.Fault {
	why, known := t.Causes[c]
	if !known {
		panic(fmt.Sprintf("throttle %s has no cause %d: add it to the row of the table", t.Name, c))
	}
	f := fault.New(t.Kind, "%s: %s", cmp.Or(why.Sentence, t.Sentence), fmt.Sprintf(why.Text, args...)).Remedied("%s", t.Remedy)
	f.Throttle = string(t.Name)
	if retryAfter > 0 {
		f.RetryAfterSeconds = max(1, int(retryAfter.Seconds()))
	}
	return f
}

// Refuse returns the fault for a request that the pool refused, because it was Full or Crowded, or because the
// request Waited in vain for a time.
func (n Need) Refuse(c Cause, wait time.Duration) *fault.Fault {
	after := max(n.Limits.Timeout, time.Second)
	if c == Waited {
		return n.Throttle.Refuse(after, c, min(n.Limits.Timeout, wait))
	}
	return n.Throttle.Refuse(after, c)
}
