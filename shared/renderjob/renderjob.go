// Package renderjob is the messages between edges and renderers: the job, the result and the heartbeat,
// their subjects, and the stream of jobs.
//
// An edge hands a Job to a renderer with a free slot (HandOver), or publishes it to render.job.<lane> in the JetStream
// stream RENDER. A renderer with room pulls it. The renderer sends Results over core NATS to the edge's own subject, render.result.<edge>. Renderers
// report their state on render.heartbeat.<renderer>.
//
// Messages are JSON. The JSON of a result is the message's header, and its image the body, without
// encoding. Version rises when a message changes its meaning. Readers ignore unknown fields, so a new
// field needs no new version. A renderer that pulls a job of a newer version leaves it to another
// renderer after a second. This counts as a delivery: upgrade renderers before edges. An edge drops a
// result of a newer version and finds the thumbnail in the store.
package renderjob

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Version is the version of Job, Result and Heartbeat.
const Version = 1

// MaxDeliveries is the number of deliveries of a job after which it counts as lost: a job that killed
// three renderers must not reach a fourth.
const MaxDeliveries = 3

// MaxInline is the largest image in bytes that a Result carries. A renderer stores larger images first,
// and the Result names them. By default NATS allows 1 MiB for a message with its headers.
const MaxInline = 768 << 10

// Lane is a lane of the queue: a subject with its own consumer.
type Lane string

// The lanes.
const (
	LaneStandard  Lane = "standard"  // work that a client waits for
	LaneExpensive Lane = "expensive" // renders that take long; at most half of a renderer's slots
	LaneBulk      Lane = "bulk"      // work that no client waits for, and slow renders, which run beside the slots
)

// Lanes returns all lanes, the most urgent first.
func Lanes() []Lane { return []Lane{LaneStandard, LaneExpensive, LaneBulk} }

// Subject returns the subject for jobs of the lane.
func (l Lane) Subject() string { return "render.job." + string(l) }

// SiteSubject returns the subject on which edges of other sites publish jobs of the lane for a site. The site's stream
// stores them under the lane's subject.
func (l Lane) SiteSubject(site string) string { return "render.site." + site + "." + string(l) }

// Consumer returns the name of the lane's durable consumer.
func (l Lane) Consumer() string { return "renderers-" + string(l) }

// ResultSubject returns the subject for results to an edge.
func ResultSubject(edge string) string { return "render.result." + edge }

// HeartbeatSubject returns the subject for a renderer's heartbeats.
func HeartbeatSubject(renderer string) string { return "render.heartbeat." + renderer }

// ControlSubject returns the subject for Controls to a renderer. Edges send one when the renderer's
// heartbeat differs from the operators' directives.
func ControlSubject(renderer string) string { return "render.control." + renderer }

// Control is an operator's order to a renderer.
type Control struct {
	// DrainMS is the time in milliseconds for which the renderer must take no new jobs; 0 ends a drain.
	// A drain ends by itself, even if all edges are gone by then. nil means no order.
	DrainMS *int64 `json:"drain_ms"`
	// Describe asks for a heartbeat with the description, since 0.10.
	Describe bool `json:"describe,omitempty"`
}

// AllHeartbeats matches the heartbeats of all renderers.
const AllHeartbeats = "render.heartbeat.*"

// EdgeSubject returns the subject on which an edge reports that it lives or leaves. The edge subscribes
// to it too, and so learns that NATS delivers its messages.
func EdgeSubject(edge string) string { return "render.edges.alive." + edge }

// EdgeLeaves is an edge's last message.
const EdgeLeaves = "leaves"

// AllEdges matches the reports of edges, and purges. One subscription keeps their order.
const AllEdges = "render.edges.>"

// PurgeSubject asks edges and renderers to forget originals. Each of them answers with its name.
const PurgeSubject = "render.edges.purge"

// ForgetSubject tells edges that a renderer took back stored thumbnails of a purged original: edges may
// have read them. The message is a Purge without an answer.
const ForgetSubject = "render.edges.forget"

// Purge asks to forget originals, under all names of each. An edge that does not understand its version
// forgets everything.
type Purge struct {
	Version   int                  `json:"version"`
	Originals []thumbnail.Location `json:"originals"`
}

// HeartbeatEvery is the pause between two heartbeats of a renderer. After three missing heartbeats a
// renderer counts as dead.
const HeartbeatEvery = time.Second

// Key is the place of a thumbnail in the store.
type Key = thumbnail.Location

// Job asks for one thumbnail. Its durations count from the message's timestamp in the stream, which the
// NATS server sets: the clocks of hosts may differ.
type Job struct {
	Version   int    `json:"version"`
	ID        string `json:"id"`         // also the Nats-Msg-Id: publishing twice is harmless
	RequestID string `json:"request_id"` // of the request whose client leads the flight; for logs
	Trace     string `json:"-"`          // trace of the request, the message's header of W3C Trace Context
	Edge      string `json:"edge"`       // receives the results
	Lane      Lane   `json:"lane"`
	Site      string `json:"site,omitempty"` // of the edge; "" where there is one site
	// Slow says that the render certainly takes long: by its estimated cost, or because a first try took longer
	// than deadline.FirstTry. The renderer renders the job beside its slots, lanes.SlowSlots such jobs at a time.
	Slow bool           `json:"slow,omitempty"`
	Spec thumbnail.Spec `json:"spec"`
	Key  Key            `json:"key"` // the thumbnail's place in the store
	// Bucket is the width in pixels of a thumbnail of package bucket that the renderer may draw this
	// thumbnail from; 0 means no such thumbnail.
	Bucket int `json:"bucket,omitempty"`
	// BucketSeen says that the edge saw the bucket in the store, and admitted the job at the lower
	// cost.
	BucketSeen bool `json:"bucket_seen,omitempty"`
	// Near is the renderer that has the original on its disk, as far as the edge knows, or "".
	Near string `json:"near,omitempty"`
	// OriginalVersion is the original's version as the edge saw it.
	OriginalVersion string `json:"original_version"`
	// Disposition and XKey are stored with the thumbnail and sent with each answer.
	Disposition string `json:"disposition,omitempty"`
	XKey        string `json:"xkey,omitempty"`
	// StartWithinMS bounds the start of a first delivery, in milliseconds. After it renderers drop the
	// job, because the client has left.
	StartWithinMS int64 `json:"start_within_ms"`
	// DeadlineMS bounds the start of any work, a second delivery included, in milliseconds.
	DeadlineMS int64 `json:"deadline_ms"`
	// RenderLimitMS is the wall time that the render itself may take, in milliseconds.
	RenderLimitMS int64 `json:"render_limit_ms"`
	// MaxThumbnailPixels bounds the thumbnail, whose size may follow from the original's; 0 means no
	// bound.
	MaxThumbnailPixels int64 `json:"max_thumbnail_pixels"`
	// OwnWidthOnly asks for the thumbnail only if Spec.Width is the original's own width. For another width
	// the renderer answers with the fault OddSize and Result.OwnWidth. Renderers before 0.10 draw any width.
	OwnWidthOnly bool `json:"own_width_only,omitempty"`
	// Attempt counts the deliveries before the publication of this message. A renderer that drains
	// publishes its jobs again with the count unchanged.
	Attempt int `json:"attempt"`
}

// Message returns the message of the job for renderers.
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

// ReadJob parses a message of a lane.
func ReadJob(header nats.Header, data []byte) (j Job, err error) {
	err = json.Unmarshal(data, &j)
	j.Trace = header.Get(traceHeader)
	return j, err
}

const traceHeader = "traceparent"

// State is the progress of a job.
type State string

// The states. Started comes once for each delivery, as a request that the edge answers with Proceed or
// Gone; for a job of HandOver.AtOnce no answer comes. Then come Rendered and Stored, or Failed. For an image above MaxInline, Stored comes without
// Rendered. If the store is as fast as a message, Stored alone comes and has the image, since 0.10; earlier edges then find the image in the store.
const (
	StateStarted State = "started"
	// StateFetching says that the original comes slowly: the job takes no room of jobs that could render
	// until its bytes are there. It comes at most once for each picture that the job reads.
	StateFetching State = "fetching"
	// StateMoved, since 0.10, says that the queue has the job again, in another lane, and that the job takes no room of
	// its first lane any more. CPUMS has the processor time of the try, if there was one. Edges before 0.10 ignore it.
	StateMoved    State = "moved"
	StateRendered State = "rendered" // Image holds the thumbnail; it is not stored yet
	StateStored   State = "stored"   // the thumbnail is in the store, or Fault has the reason; Image holds it if no Rendered came
	StateFailed   State = "failed"   // Fault has the reason
	StateReleased State = "released" // a sibling that this delivery gives up untried: it is rendered alone
	// StateBusy, since 0.10, says that the renderer does not begin a job that its edge handed over (HandOver.AtOnce): the
	// edge publishes it.
	StateBusy State = "busy"
)

// The words of the edge's Answer to Started. If the edge does not answer, the renderer does the work
// all the same: an edge finds the thumbnail in the store.
const (
	Proceed = "proceed"
	Gone    = "gone" // no client waits any more, or another site has the job
)

// StartedTimeout bounds a renderer's wait for the edge's answer.
const StartedTimeout = 500 * time.Millisecond

// Result reports the progress of a job to its edge.
type Result struct {
	Version int    `json:"version"`
	JobID   string `json:"job_id"`
	State   State  `json:"state"`
	// Batch, in Started, is the number of jobs of the original that the renderer takes at once, this
	// one included; 0 from renderers that take no siblings.
	Batch int `json:"batch,omitempty"`
	// Lane, in Started, is the lane of the job, since 0.10: a renderer may have moved the job.
	Lane Lane `json:"lane,omitempty"`
	// Site is the renderer's site, since 0.10; "" where there is one site. The edge refuses Started from a site that the
	// job has left.
	Site          string `json:"site,omitempty"`
	Renderer      string `json:"renderer"`
	EngineVersion string `json:"engine_version,omitempty"` // of libvips, in Failed
	// TypeVersion, in Failed, names the program or library that draws originals of the name's type, for the failure
	// memory; "" from renderers of earlier versions.
	TypeVersion string           `json:"type_version,omitempty"`
	Image       []byte           `json:"-"` // the message's body
	Format      thumbnail.Format `json:"format,omitempty"`
	Width       int              `json:"width,omitempty"`
	Height      int              `json:"height,omitempty"`
	ETag        string           `json:"etag,omitempty"`       // MD5 of the image in hex, as in Swift
	RenderedAt  time.Time        `json:"rendered_at,omitzero"` // seconds; Last-Modified
	Engine      string           `json:"engine,omitempty"`     // engine that drew the thumbnail
	FetchMS     float64          `json:"fetch_ms,omitempty"`   // time to read the original
	RenderMS    float64          `json:"render_ms,omitempty"`  // wall time in the worker
	CPUMS       float64          `json:"cpu_ms,omitempty"`     // processor time of the worker; also of a failed render
	QueuedMS    float64          `json:"queued_ms,omitempty"`  // in the stream, by the server's clock
	Deliveries  int              `json:"deliveries,omitempty"` // this one included
	// Freed, in Rendered, says that the job takes no room for renders any more: it only stores. Edges of earlier
	// versions keep the lane's place until Stored.
	Freed bool `json:"freed,omitempty"`
	// Free is the number of jobs that the renderer would take at once now, as in a heartbeat.
	Free int `json:"free,omitempty"`
	// OwnWidth, with the fault OddSize, is the original's own width in pixels as MediaWiki has it; 0 if
	// MediaWiki has none.
	OwnWidth int          `json:"own_width,omitempty"`
	Fault    *fault.Fault `json:"fault,omitempty"`
}

// Last reports whether this is the last result of a job's delivery.
func (r Result) Last() bool {
	return r.State == StateStored || r.State == StateFailed || r.State == StateReleased || r.State == StateBusy
}

// Heartbeat reports the state of a renderer.
type Heartbeat struct {
	Version  int    `json:"version"`
	Renderer string `json:"renderer"`
	Site     string `json:"site,omitempty"` // of the renderer; "" where there is one site
	// Guests counts the jobs in hand of other sites' edges, by site.
	Guests map[string]int `json:"guests,omitempty"`
	// Digest identifies the description: EngineVersion, Versions, TypeVersions, Engines, Build and Layers, which make up
	// nine tenths of a heartbeat and seldom change. Most heartbeats have only the digest. "" from renderers before 0.10,
	// which describe themselves each time. Edges before 0.10 do not know the engines of renderers since then, so they
	// give failed originals another try.
	Digest        string `json:"digest,omitempty"`
	EngineVersion string `json:"engine_version,omitempty"`
	// Versions are the versions of the libraries and tools that draw, by name: "librsvg" "2.54.7".
	Versions map[string]string `json:"versions,omitempty"`
	// TypeVersions has the value of Result.TypeVersion for each type of original.
	TypeVersions map[thumbnail.Type]string `json:"type_versions,omitempty"`
	Slots        int                       `json:"slots"`
	Busy         int                       `json:"busy"`     // slots that render now
	InHand       int                       `json:"in_hand"`  // jobs pulled and not acknowledged
	Draining     bool                      `json:"draining"` // takes no new jobs; planning counts 0 slots
	// Free is the number of jobs that the renderer would take by HandOver.AtOnce now, since 0.10.
	Free int `json:"free,omitempty"`
	// Batch is the number of jobs of one original that the renderer takes at once; 0 or 1: one.
	Batch int `json:"batch,omitempty"`
	// Directed says that the renderer drains because of a directive, and takes jobs again after it. Its JSON
	// keeps the name of earlier versions for compatibility alone.
	Directed bool `json:"ordered,omitempty"`
	// Utilisation is the share of the slots' time that renders used since the last heartbeat, 0 to 1.
	Utilisation float64 `json:"utilisation"`
	// Beside is the mean number of slow renders (Job.Slow) since the last heartbeat. Slots, Busy and Utilisation do
	// not count them.
	Beside float64 `json:"beside,omitempty"`
	// Whole is the number of slots while memory is not short. Utilisation is a share of these slots.
	Whole int `json:"whole"`
	// Engines are the engines that can draw here, with their type: "vips jpeg", "rsvg svg"; and "find faces".
	Engines []string `json:"engines,omitempty"`
	// Kills counts the workers killed since the start, by reason.
	Kills map[string]int64 `json:"kills"`
	Build string           `json:"build,omitempty"` // the program's version
	// Layers are the sandbox layers that confine the workers.
	Layers []string `json:"layers,omitempty"`
}

// Described reports whether the heartbeat has its description.
func (h Heartbeat) Described() bool { return h.EngineVersion != "" }

// With returns the heartbeat with the description of another one.
func (h Heartbeat) With(d Heartbeat) Heartbeat {
	h.EngineVersion, h.Versions, h.TypeVersions, h.Engines, h.Build, h.Layers = d.EngineVersion, d.Versions, d.TypeVersions, d.Engines, d.Build, d.Layers
	return h
}

// Digested returns the heartbeat with the digest of its description.
func (h Heartbeat) Digested() Heartbeat {
	text, _ := json.Marshal(Heartbeat{}.With(h)) // strings, and maps of strings, which it sorts
	sum := sha256.Sum256(text)
	h.Digest = hex.EncodeToString(sum[:8])
	return h
}

const resultHeader = "Thumbmill-Result"

// Message returns the message that brings the result to an edge.
func (r Result) Message(edge string) (*nats.Msg, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return &nats.Msg{Subject: ResultSubject(edge), Header: nats.Header{resultHeader: {string(text)}}, Data: r.Image}, nil
}

// ReadResult parses a message on an edge's subject.
func ReadResult(m *nats.Msg) (Result, error) {
	var r Result
	if err := json.Unmarshal([]byte(m.Header.Get(resultHeader)), &r); err != nil {
		return r, fmt.Errorf("read a result: %w", err)
	}
	if r.Version > Version {
		return r, fmt.Errorf("read a result: its version is %d, and this edge knows %d", r.Version, Version)
	}
	r.Image = m.Data
	return r, nil
}

// TTL returns a job's time to live in the stream, rounded up to whole seconds and at least one: NATS
// takes whole seconds and truncates.
func TTL(left time.Duration) time.Duration {
	return max(time.Second, (left + time.Second - 1).Truncate(time.Second))
}
