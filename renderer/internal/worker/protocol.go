// Package worker runs renders in processes of their own: the same binary,
// executed afresh, started before they are needed, one render at a time each.
//
// Parent and child speak over a SEQPACKET socket pair, which the child has as
// descriptor 3. The parent sends a Task together with two descriptors, the
// original's and a memory file for the thumbnail; the child answers with a
// Report. A child that overruns its time is killed from outside, because a
// decoder does not listen; it is replaced at once. A child that dies under a
// task is no fault of anybody yet: the caller tries again in a fresh one.
package worker

import (
	"os"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Task is what a worker is asked for.
type Task struct {
	Spec   thumbnail.Spec `json:"spec"`
	Header guard.Header   `json:"header"`
	// MaxPixels bounds the thumbnail.
	MaxPixels int64 `json:"max_pixels"`
	// CPUSeconds is the processor time that the task may take.
	CPUSeconds int `json:"cpu_seconds"`
}

// Report is a worker's answer.
type Report struct {
	Format  thumbnail.Format `json:"format,omitempty"`
	Width   int              `json:"width,omitempty"`
	Height  int              `json:"height,omitempty"`
	Engine  string           `json:"engine,omitempty"`
	CPU     time.Duration    `json:"cpu,omitempty"` // processor time of this task
	Fault   *fault.Fault     `json:"fault,omitempty"`
	Version string           `json:"version,omitempty"` // of the engine; sent once, when the worker is ready
}

const (
	socketFD   = 3
	maxMessage = 64 << 10
)

// envMark tells a process that it is a worker.
const envMark = "THUMBMILL_WORKER"

// Asked reports whether this process was started as a worker; its main then
// calls Main before anything else.
func Asked() bool { return os.Getenv(envMark) != "" }
