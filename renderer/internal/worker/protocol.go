package worker

import (
	"encoding/json"
	"os"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/component"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/sandbox"
	"github.com/thumbmill/thumbmill/renderer/internal/tools"
	"github.com/thumbmill/thumbmill/renderer/internal/vips"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Kind says which tasks a worker can do.
type Kind string

// The kinds of workers.
const (
	Vips  Kind = "vips"
	Tools Kind = "tools"
)

// Effort is how much time a drawing worker's encoders take to save bytes.
type Effort = vips.Effort

// The efforts.
const (
	Usual   = vips.Usual
	Hasty   = vips.Hasty
	Patient = vips.Patient
)

// Task is the request to a worker.
type Task struct {
	Spec thumbnail.Spec `json:"spec"`
	// Specs makes a task with several thumbnails; such a task has no overlays, and Spec is unused.
	Specs  []thumbnail.Spec `json:"specs,omitempty"`
	Header guard.Header     `json:"header"`
	// Overlays are the pictures of Spec.Pictures, in that order.
	Overlays []Overlay `json:"overlays,omitempty"`
	// MaxPixels bounds the drawn picture.
	MaxPixels int64 `json:"max_pixels"`
	// CPUSeconds bounds the task's processor time; 0 means the limit of wall time.
	CPUSeconds int `json:"cpu_seconds"`
	// Work is the task of a tool worker: draw, animate, pack or optimize.
	Work tools.Work `json:"work,omitempty"`
	// Careful says that a worker died of the original: a program draws it, not a library in the worker.
	Careful bool `json:"careful,omitempty"`
	// Effort is the encoder's.
	Effort Effort `json:"effort,omitempty"`
	// Yields says that other tasks come first when processors are short.
	Yields bool `json:"-"`
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
	Packs  bool             `json:"packs,omitempty"` // the worker wrote frames; a tool packs them into the thumbnail
	// Sides are the sides of the upright picture before scaling: pixels, or points of a page that a tool drew.
	Sides objectstore.Sides `json:"sides,omitzero"`
	CPU   time.Duration     `json:"cpu,omitempty"` // processor time of this task, with its tools
	Fault *fault.Fault      `json:"fault,omitempty"`
	// Spent says that the worker kept too much address space for another task: the pool replaces it.
	Spent bool `json:"spent,omitempty"`
	// Ready is set in the first report only.
	Ready *Ready `json:"ready,omitempty"`
}

// Ready describes a worker before its first task.
type Ready struct {
	Version  string             `json:"version"`            // of libvips, and of the rules of rendering
	Types    []string           `json:"types"`              // types that its engine reads, or works of its tools
	Layers   []sandbox.Layer    `json:"layers"`             // layers that confine the worker
	Versions component.Versions `json:"versions,omitempty"` // of its libraries or tools, from a pool's first worker
}

// Fits reports whether a task fits into one message to a worker.
func (t Task) Fits() bool {
	text, err := json.Marshal(t)
	return err == nil && len(text) <= maxMessage
}

const (
	socketFD   = 3
	folderFD   = 4 // a tool worker's folder, where it may write
	maxMessage = 64 << 10
)

// envKind makes a process a worker, and holds its kind.
const envKind = "THUMBMILL_WORKER"

// envFirst is set for the first worker of a pool, which looks up the versions of its libraries or tools: that takes
// longer than the rest of a start.
const envFirst = "THUMBMILL_WORKER_FIRST"

// Asked reports whether this process was started as a worker. Its main must then call Main before anything else.
func Asked() bool { return os.Getenv(envKind) != "" }
