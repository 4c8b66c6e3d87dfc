// Package fault names every kind of failure of a thumbnail, and gives each kind its HTTP status,
// its time in caches and its scope in the failure memory.
//
// The place that finds a failure makes the fault. It travels from renderer to edge in the result
// of a job, and only the edge turns it into HTTP.
package fault

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// Kind is one way to fail. The strings are part of the wire format between
// renderer and edge and of the metric thumbmill_failures_total{fault}.
type Kind string

// The kinds, in the order in which a request can meet them.
const (
	BadURL        Kind = "bad-url"         // the URL is of a known grammar but asks for something impossible
	NoSuchURL     Kind = "no-such-url"     // the URL is of no known grammar
	OddSize       Kind = "odd-size"        // the size is not a standard one, and the edge refuses other sizes
	Forbidden     Kind = "forbidden"       // unsigned or wrongly signed
	Expired       Kind = "expired"         // the URL was valid until a time that has passed
	Blocked       Kind = "blocked"         // an operator keeps the client's network out
	Misdirected   Kind = "misdirected"     // the Host header names a host that is not this edge's
	Private       Kind = "private"         // a private container without its secret
	Absent        Kind = "absent"          // the original does not exist
	Failing       Kind = "failing"         // the original failed too often lately
	Throttled     Kind = "throttled"       // per-ip, per-original or expensive refused
	LaneFull      Kind = "lane-full"       // more work waits than renderers can take on
	NoRenderer    Kind = "no-renderer"     // nobody began the job in time
	Lost          Kind = "lost"            // the job was delivered too often without a result
	Unsupported   Kind = "unsupported"     // no engine reads this type
	Undecodable   Kind = "undecodable"     // the original is damaged, or has another type than its name
	TooLarge      Kind = "too-large"       // the original exceeds a cap on bytes or pixels
	Overran       Kind = "overran"         // the render exceeded its limit of time
	WorkerKilled  Kind = "worker-killed"   // the original killed every worker that tried it
	OriginalStore Kind = "original-store"  // reading the original failed, other than by absence
	ThumbStore    Kind = "thumbnail-store" // reading or writing thumbnails failed
	Unavailable   Kind = "unavailable"     // the queue failed, or this edge or renderer has no room
	Deadline      Kind = "deadline"        // the request's time is over
	Internal      Kind = "internal"        // a defect of ours
)

// Scope is the reach of a failure in the failure memory.
type Scope int

const (
	// ScopeNone is not remembered; the original is not to blame.
	ScopeNone Scope = iota
	// ScopePage is remembered for this page of the original, at every size.
	ScopePage
	// ScopeThumbnail is remembered for this thumbnail only.
	ScopeThumbnail
)

// Traits are the consequences of a kind of fault.
type Traits struct {
	Status     int           // HTTP status
	Cache      time.Duration // how long a cache may keep the answer; 0 = not at all
	Remember   Scope         // how the failure memory counts it
	RetryAfter time.Duration // advice to the client when the fault itself carries none; 0 = retrying is no use
}

var traits = map[Kind]Traits{
	BadURL:        {Status: http.StatusBadRequest},
	NoSuchURL:     {Status: http.StatusNotFound, Cache: 10 * time.Minute},
	OddSize:       {Status: http.StatusBadRequest}, // as Wikimedia answers since 2026: waiting does not help
	Forbidden:     {Status: http.StatusForbidden},
	Expired:       {Status: http.StatusGone, Cache: 10 * time.Minute},
	Blocked:       {Status: http.StatusForbidden},
	Misdirected:   {Status: http.StatusMisdirectedRequest},
	Private:       {Status: http.StatusUnauthorized},
	Absent:        {Status: http.StatusNotFound, Cache: 10 * time.Minute},
	Failing:       {Status: http.StatusTooManyRequests, RetryAfter: 10 * time.Minute},
	Throttled:     {Status: http.StatusTooManyRequests, RetryAfter: 4 * time.Second},
	LaneFull:      {Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second},
	NoRenderer:    {Status: http.StatusServiceUnavailable, RetryAfter: 10 * time.Second},
	Lost:          {Status: http.StatusServiceUnavailable, RetryAfter: 10 * time.Second},
	Unsupported:   {Status: http.StatusBadRequest},
	Undecodable:   {Status: http.StatusUnprocessableEntity, Remember: ScopePage},
	TooLarge:      {Status: http.StatusUnprocessableEntity, Remember: ScopeThumbnail},
	Overran:       {Status: http.StatusUnprocessableEntity, Remember: ScopeThumbnail}, // the original costs too much; the servers are well
	WorkerKilled:  {Status: http.StatusInternalServerError, Remember: ScopePage},
	OriginalStore: {Status: http.StatusBadGateway, RetryAfter: 5 * time.Second},
	ThumbStore:    {Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second},
	Unavailable:   {Status: http.StatusServiceUnavailable, RetryAfter: 5 * time.Second},
	Deadline:      {Status: http.StatusGatewayTimeout, RetryAfter: 10 * time.Second},
	Internal:      {Status: http.StatusInternalServerError},
}

// Traits of the kind; a kind that a newer role sent is treated as Internal.
func (k Kind) Traits() Traits {
	if t, ok := traits[k]; ok {
		return t
	}
	return traits[Internal]
}

// Fault is one failure. It is an error, and it survives the wire as JSON.
type Fault struct {
	Kind    Kind   `json:"kind"`
	Message string `json:"message"` // one sentence for the client; never holds a secret or a path of the host
	// Throttle names the throttle that refused: per-ip, per-original, expensive, lane, failure.
	Throttle string `json:"throttle,omitempty"`
	// Instead is the path to ask for in place of this one.
	Instead string `json:"instead,omitempty"`
	// RetryAfterSeconds replaces the time of the kind, if it is positive.
	RetryAfterSeconds int `json:"retry_after_seconds,omitempty"`
	cause             error
	remedy            string
}

// New returns a fault with a sentence for the client.
func New(kind Kind, format string, args ...any) *Fault {
	return &Fault{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns a fault with a cause for the log. The client sees the sentence alone.
func Wrap(cause error, kind Kind, format string, args ...any) *Fault {
	f := New(kind, format, args...)
	f.cause = cause
	return f
}

// Because sets the cause for the log, and returns the fault.
func (f *Fault) Because(cause error) *Fault {
	f.cause = cause
	return f
}

// Remedied sets the change of settings that an operator can make, for the log, and returns the fault.
func (f *Fault) Remedied(format string, args ...any) *Fault {
	f.remedy = fmt.Sprintf(format, args...)
	return f
}

// Remedy returns the change of settings that an operator can make; "" if there is none. It does not
// survive the wire.
func (f *Fault) Remedy() string { return f.remedy }

// Error returns the sentence, and the cause if the fault has one.
func (f *Fault) Error() string {
	if f.cause != nil {
		return f.Message + ": " + f.cause.Error()
	}
	return f.Message
}

// Unwrap returns the cause, or nil.
func (f *Fault) Unwrap() error { return f.cause }

// RetryAfter returns the time after which the client should retry; 0 means never.
func (f *Fault) RetryAfter() time.Duration {
	if f.RetryAfterSeconds > 0 {
		return time.Duration(f.RetryAfterSeconds) * time.Second
	}
	return f.Kind.Traits().RetryAfter
}

// Of returns the fault in an error. Any other error becomes the cause of an Internal fault, so that
// the log has its text and the client does not.
func Of(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return Wrap(err, Internal, "thumbmill failed: ask the operator, whose log has the reason under the request id")
}

// Is reports whether err is a fault of the given kind.
func Is(err error, kind Kind) bool {
	var f *Fault
	return errors.As(err, &f) && f.Kind == kind
}
