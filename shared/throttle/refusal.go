package throttle

import (
	"fmt"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Refuse is the fault of a request that the throttle refuses. Its message is the throttle's
// sentence, its name, and why. A retryAfter of 0 leaves that to the fault's kind.
func (t Throttle) Refuse(retryAfter time.Duration, why string, args ...any) *fault.Fault {
	f := fault.New(t.Kind, "%s (throttle %s): %s", t.Sentence, t.Name, fmt.Sprintf(why, args...))
	f.Throttle = string(t.Name)
	if retryAfter > 0 {
		f.RetryAfterSeconds = max(1, int(retryAfter.Seconds()))
	}
	return f
}

// Refuse is the fault of a request that found the pool's queue full, or else no free place
// within the wait.
func (n Need) Refuse(full bool, wait time.Duration) *fault.Fault {
	after := max(n.Limits.Timeout, time.Second)
	if full {
		return n.Throttle.Refuse(after, "as many requests run or wait already as may")
	}
	return n.Throttle.Refuse(after, "no place became free within %v", min(n.Limits.Timeout, wait))
}
