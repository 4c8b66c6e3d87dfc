// Package renderjob is the wire between edges and renderers: the job, the
// result and the heartbeat, the subjects on which they travel, and the stream
// that holds the jobs.
//
// An edge publishes a Job to render.job.<lane> in the JetStream stream RENDER;
// a renderer with room pulls it and answers with Results over core NATS on the
// edge's own subject, render.result.<edge>. Renderers tell of themselves on
// render.heartbeat.<renderer>.
//
// Messages are JSON; a result's image travels beside it, unencoded: the JSON is
// the message's header and the image its body. Version rises when a message changes its meaning; a reader
// ignores fields that it does not know, so that a field can be added without a
// new version. A renderer that pulls a job of a newer version leaves it to another
// one after a second (which counts as a delivery: upgrade renderers before edges);
// an edge drops a result of a newer version and finds the thumbnail in the store.
package renderjob

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Version of Job, Result and Heartbeat.
const Version = 1

// MaxDeliveries is how often a job is handed to renderers before it counts as
// lost: what killed three renderers shall not meet a fourth.
const MaxDeliveries = 3

// MaxInline is the largest image in bytes that travels with a Result; larger
// ones are stored first and then named. NATS' default maximum of a message, with
// its headers, is 1 MiB.
const MaxInline = 768 << 10

// Lane is a subject of the queue with a consumer of its own.
type Lane string

// The lanes.
const (
	LaneStandard  Lane = "standard"  // what a client waits for
	LaneExpensive Lane = "expensive" // types that take long; at most half of a renderer's slots
	LaneBulk      Lane = "bulk"      // work that nobody waits for
)

// Lanes lists all lanes, most urgent first.
func Lanes() []Lane { return []Lane{LaneStandard, LaneExpensive, LaneBulk} }

// Subject is where jobs of the lane are published.
func (l Lane) Subject() string { return "render.job." + string(l) }

// Consumer is the name of the lane's durable consumer.
func (l Lane) Consumer() string { return "renderers-" + string(l) }

// ResultSubject is where the edge hears of its jobs.
func ResultSubject(edge string) string { return "render.result." + edge }

// HeartbeatSubject is where the renderer tells of itself.
func HeartbeatSubject(renderer string) string { return "render.heartbeat." + renderer }

// ControlSubject is where a renderer hears Controls: edges tell it when its heartbeat
// differs from what operators want.
func ControlSubject(renderer string) string { return "render.control." + renderer }

// Control is an operator's order.
type Control struct {
	// DrainMS is how long the renderer is to take no new jobs; 0: it takes them again. It
	// ends that by itself, whoever is gone by then. Milliseconds; nil: this is no order.
	DrainMS *int64 `json:"drain_ms"`
}

// AllHeartbeats matches the heartbeats of all renderers.
const AllHeartbeats = "render.heartbeat.*"

// EdgeSubject is where an edge tells that it lives, or leaves, and hears that it is heard.
func EdgeSubject(edge string) string { return "render.edges.alive." + edge }

// EdgeLeaves is what an edge says last.
const EdgeLeaves = "leaves"

// AllEdges matches what edges tell of themselves, and purges: one subscription, so that
// both arrive in their order.
const AllEdges = "render.edges.>"

// PurgeSubject is where edges and renderers are asked to forget originals; each that did
// answers with its name.
const PurgeSubject = "render.edges.purge"

// ForgetSubject is where a renderer that took back what it had stored of a purged original
// tells edges, which may have read it. It carries a Purge, and nobody answers.
const ForgetSubject = "render.edges.forget"

// Purge asks to forget what is known of originals, all names of one. An edge that does
// not understand its version forgets everything.
type Purge struct {
	Version   int                  `json:"version"`
	Originals []thumbnail.Location `json:"originals"`
}

// HeartbeatEvery is the pause between two heartbeats of a renderer; one that
// missed three is taken for dead.
const HeartbeatEvery = time.Second

// Key is where a thumbnail is stored.
type Key = thumbnail.Location

// Job asks for one thumbnail. Its durations count from the message's timestamp
// in the stream, which the NATS server sets, so that hosts' clocks need not agree.
type Job struct {
	Version   int    `json:"version"`
	ID        string `json:"id"`         // also the Nats-Msg-Id: publishing twice is harmless
	RequestID string `json:"request_id"` // of the request whose client leads the flight; for logs
	Trace     string `json:"-"`          // that the request is part of: the message's header of W3C Trace Context
	Edge      string `json:"edge"`       // who hears the results
	Lane      Lane   `json:"lane"`
	// Slow says that a first try took longer than deadline.FirstTry: the job is rendered
	// beside the slots, one such at a time.
	Slow bool           `json:"slow,omitempty"`
	Spec thumbnail.Spec `json:"spec"`
	Key  Key            `json:"key"` // where the thumbnail goes
	// Bucket is the width in pixels of the thumbnail of package bucket from which this one may
	// be rendered; 0 is none.
	Bucket int `json:"bucket,omitempty"`
	// BucketSeen says that the edge saw it in the store, and admitted the job by its cost.
	BucketSeen bool `json:"bucket_seen,omitempty"`
	// Near is the renderer that has the original on its disk, as far as the edge knows; "" = none.
	Near string `json:"near,omitempty"`
	// OriginalVersion is the original's version as the edge saw it.
	OriginalVersion string `json:"original_version"`
	// Disposition and XKey are stored with the thumbnail and sent with each answer.
	Disposition string `json:"disposition,omitempty"`
	XKey        string `json:"xkey,omitempty"`
	// StartWithin: a first delivery that nobody begins by then is dropped, since the client has left. Milliseconds.
	StartWithinMS int64 `json:"start_within_ms"`
	// DeadlineMS: nothing is begun after it, a second delivery included. Milliseconds.
	DeadlineMS int64 `json:"deadline_ms"`
	// RenderLimitMS is the wall time that the render itself may take. Milliseconds.
	RenderLimitMS int64 `json:"render_limit_ms"`
	// MaxThumbnailPixels bounds the thumbnail, whose size may follow from the original's.
	// 0 is no bound.
	MaxThumbnailPixels int64 `json:"max_thumbnail_pixels"`
	// Attempt counts deliveries before this message was published: a renderer
	// that drains publishes its jobs again with the count unchanged.
	Attempt int `json:"attempt"`
}

// Message makes the message that asks renderers.
func (j Job) Message() (*nats.Msg, error) {
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	m := &nats.Msg{Subject: j.Lane.Subject(), Header: nats.Header{}, Data: text}
	if j.Trace != "" {
		m.Header.Set(traceHeader, j.Trace)
	}
	return m, nil
}

// ReadJob understands a message of a lane.
func ReadJob(header nats.Header, data []byte) (j Job, err error) {
	err = json.Unmarshal(data, &j)
	j.Trace = header.Get(traceHeader)
	return j, err
}

const traceHeader = "traceparent"

// State is how far a job has come.
type State string

// The states. Started comes once a delivery, as a request that the edge answers
// with Proceed or Gone; then come either Rendered and Stored, or Failed. An image
// above MaxInline is first Stored, and Rendered is left out.
const (
	StateStarted  State = "started"
	StateRendered State = "rendered" // Image holds the thumbnail; it is not stored yet
	StateStored   State = "stored"   // the thumbnail is in the store, or Fault says why not
	StateFailed   State = "failed"   // Fault says why
	StateReleased State = "released" // a sibling that this delivery gives up untried, to be rendered by itself
)

// The words of the edge's Answer to Started. An edge that does not answer has gone, or cannot
// be reached: the work is done all the same, and found in the store.
const (
	Proceed = "proceed"
	Gone    = "gone" // nobody waits any more
)

// StartedTimeout is how long a renderer waits for the edge's answer.
const StartedTimeout = 500 * time.Millisecond

// Result tells an edge how far its job has come.
type Result struct {
	Version int    `json:"version"`
	JobID   string `json:"job_id"`
	State   State  `json:"state"`
	// Batch, of Started, is how many jobs of the original the renderer takes at once, this one
	// included; 0 from renderers that take no siblings.
	Batch         int    `json:"batch,omitempty"`
	Renderer      string `json:"renderer"`
	EngineVersion string `json:"engine_version"` // of libvips
	// TypeVersion names what draws originals of the name's type, for the failure memory; "" from
	// renderers of earlier versions.
	TypeVersion string           `json:"type_version,omitempty"`
	Image       []byte           `json:"-"` // the message's body
	Format      thumbnail.Format `json:"format,omitempty"`
	Width       int              `json:"width,omitempty"`
	Height      int              `json:"height,omitempty"`
	ETag        string           `json:"etag,omitempty"`       // MD5 of the image in hex, as Swift has it
	RenderedAt  time.Time        `json:"rendered_at,omitzero"` // seconds; Last-Modified
	Engine      string           `json:"engine,omitempty"`     // which engine drew it
	FetchMS     float64          `json:"fetch_ms,omitempty"`   // reading the original
	RenderMS    float64          `json:"render_ms,omitempty"`  // wall time in the worker
	CPUMS       float64          `json:"cpu_ms,omitempty"`     // processor time of the worker
	QueuedMS    float64          `json:"queued_ms,omitempty"`  // in the stream, by the server's clock
	Deliveries  int              `json:"deliveries,omitempty"` // this one included
	Fault       *fault.Fault     `json:"fault,omitempty"`
}

// Last reports whether no other result of the job follows from this delivery.
func (r Result) Last() bool {
	return r.State == StateStored || r.State == StateFailed || r.State == StateReleased
}

// Heartbeat tells of a renderer.
type Heartbeat struct {
	Version       int    `json:"version"`
	Renderer      string `json:"renderer"`
	EngineVersion string `json:"engine_version"`
	// Versions are those of the libraries and tools that draw, by name: "librsvg" "2.54.7".
	Versions map[string]string `json:"versions,omitempty"`
	// TypeVersions name what draws, by type of original, as Result.TypeVersion does.
	TypeVersions map[thumbnail.Type]string `json:"type_versions,omitempty"`
	Slots        int                       `json:"slots"`
	Busy         int                       `json:"busy"`     // slots that render now
	InHand       int                       `json:"in_hand"`  // jobs pulled and not acknowledged
	Draining     bool                      `json:"draining"` // takes no new jobs; 0 slots for all that plan
	// Batch is how many jobs of one original it takes at once; 0 or 1: it takes each alone.
	Batch int `json:"batch,omitempty"`
	// Directed: it drains because a directive says so, and takes jobs again when that ends. JSON
	// has the name of earlier versions.
	Directed bool `json:"ordered,omitempty"`
	// Utilisation is the share of its slots' time that was spent on renders since
	// the last heartbeat, 0 to 1.
	Utilisation float64 `json:"utilisation"`
	// Whole is its slots when memory does not run short; Utilisation is a share of these.
	Whole int `json:"whole"`
	// Engines are those that can draw here, by type: "vips jpeg", "rsvg svg".
	Engines []string `json:"engines"`
	// Kills counts workers that were killed since the start, by reason.
	Kills map[string]int64 `json:"kills"`
	Build string           `json:"build"` // the program's version
	// Layers confine the workers.
	Layers []string `json:"layers"`
}

const resultHeader = "Thumbmill-Result"

// Message makes the message that carries the result to an edge.
func (r Result) Message(edge string) (*nats.Msg, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: ResultSubject(edge), Header: nats.Header{resultHeader: {string(text)}}, Data: r.Image}, nil
}

// ReadResult understands a message on an edge's subject.
func ReadResult(m *nats.Msg) (Result, error) {
	var r Result
	if err := json.Unmarshal([]byte(m.Header.Get(resultHeader)), &r); err != nil {
		return r, fmt.Errorf("result: %w", err)
	}
	if r.Version > Version {
		return r, fmt.Errorf("result of version %d; this edge knows %d", r.Version, Version)
	}
	r.Image = m.Data
	return r, nil
}

// TTL is a job's time to live in the stream. NATS takes whole seconds, at least
// one, and truncates.
func TTL(left time.Duration) time.Duration {
	return max(time.Second, (left + time.Second - 1).Truncate(time.Second))
}
