// Package worker runs renders in processes of their own: the same binary,
// executed afresh, started before they are needed, one task at a time each,
// confined by package sandbox.
//
// There are two kinds. One draws with libvips and can neither open a file nor
// execute anything. The other runs the field's tools for formats that libvips
// does not read, and sees them, their fonts, and a folder of its own.
//
// Parent and child speak over a SEQPACKET socket pair, which the child has as
// descriptor 3. The parent sends a Task together with descriptors, that of
// what is read, a memory file for what is made, and those of overlays; the child
// answers with a Report. A child that overruns its time is killed from outside, because a
// decoder does not listen; a spare one stands in at once. A child that dies under
// a task is no fault of anybody yet: the caller tries again in a fresh one.
package worker

import (
	"encoding/json"
	"os"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/component"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Kind is what a worker can do.
type Kind string

// The kinds.
const (
	Vips  Kind = "vips"
	Tools Kind = "tools"
)

// Task is what a worker is asked for.
type Task struct {
	Spec thumbnail.Spec `json:"spec"`
	// Specs are those of a task with several thumbnails, which has no overlays; Spec is unused then.
	Specs  []thumbnail.Spec `json:"specs,omitempty"`
	Header guard.Header     `json:"header"`
	// Overlays are the pictures of Spec.Pictures, in that order.
	Overlays []Overlay `json:"overlays,omitempty"`
	// MaxPixels bounds what is drawn.
	MaxPixels int64 `json:"max_pixels"`
	// CPUSeconds is the processor time that the task may take; 0 = as much as wall time.
	CPUSeconds int `json:"cpu_seconds"`
	// Work is what a worker of tools does: draw, animate, optimize.
	Work tools.Work `json:"work,omitempty"`
}

// Overlay is a picture beside the original. Its file travels as a descriptor.
type Overlay struct {
	Header guard.Header `json:"header"`
	File   *os.File     `json:"-"`
}

// Report is a worker's answer.
type Report struct {
	Format thumbnail.Format `json:"format,omitempty"`
	Width  int              `json:"width,omitempty"`
	Height int              `json:"height,omitempty"`
	Packs  bool             `json:"packs,omitempty"` // frames were written, of which a tool makes the thumbnail
	// Sides are those of what was scaled, upright: pixels; points of a page that a tool drew.
	Sides objectstore.Sides `json:"sides,omitzero"`
	CPU   time.Duration     `json:"cpu,omitempty"` // processor time of this task, its tools' included
	Fault *fault.Fault      `json:"fault,omitempty"`
	// Spent says that the worker keeps so much address space of this task that the next
	// one could lack it: it is to be replaced.
	Spent bool `json:"spent,omitempty"`
	// Ready is sent once, when the worker is.
	Ready *Ready `json:"ready,omitempty"`
}

// Ready is what a worker tells of itself before its first task.
type Ready struct {
	Version  string             `json:"version"`            // of libvips, and of the rules of rendering
	Types    []string           `json:"types"`              // that its engine reads
	Layers   []sandbox.Layer    `json:"layers"`             // that confine it
	Versions component.Versions `json:"versions,omitempty"` // of its libraries or tools, from a pool's first worker
}

// Fits reports whether a task is short enough for a message to a worker.
func (t Task) Fits() bool {
	text, err := json.Marshal(t)
	return err == nil && len(text) <= maxMessage
}

const (
	socketFD   = 3
	folderFD   = 4 // of a worker of tools: where it may write
	maxMessage = 64 << 10
)

// envKind tells a process that it is a worker, and of which kind.
const envKind = "THUMBMILL_WORKER"

// envFirst is set for the first worker of a pool, which looks for the versions of what it draws
// by: that takes more time than all else at a start.
const envFirst = "THUMBMILL_WORKER_FIRST"

// Asked reports whether this process was started as a worker; its main then
// calls Main before anything else.
func Asked() bool { return os.Getenv(envKind) != "" }
