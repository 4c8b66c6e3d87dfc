package throttle

import (
	"errors"
	"fmt"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Causes of refusals that pass when the client's own requests end.
var (
	ErrWaited  = errors.New("waited in vain")
	ErrCrowded = errors.New("the client's requests take half of the lane")
)

// Refuse returns the fault for a refused request. Its message has the sentence and the name of the
// throttle, and the reason. With a retryAfter of 0 the fault's kind decides when to retry.
func (t Throttle) Refuse(retryAfter time.Duration, why string, args ...any) *fault.Fault {
	f := fault.New(t.Kind, "%s: %s", t.Sentence, fmt.Sprintf(why, args...)).Remedied("%s", t.Remedy)
	f.Throttle = string(t.Name)
	if retryAfter > 0 {
		f.RetryAfterSeconds = max(1, int(retryAfter.Seconds()))
	}
	return f
}

// Refuse returns the fault for a request that found the queue of the pool full, or, if full is
// false, no free place within the wait.
func (n Need) Refuse(full bool, wait time.Duration) *fault.Fault {
	after := max(n.Limits.Timeout, time.Second)
	if full {
		return n.Throttle.Refuse(after, "the line of waiting requests is full")
	}
	return n.Throttle.Refuse(after, "no place became free within %v", min(n.Limits.Timeout, wait))
}
