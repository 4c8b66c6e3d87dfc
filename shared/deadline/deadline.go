// Package deadline splits the time of one request among its steps, in one place. The settings check
// their values with it, the edge and the renderer wait by it, the simulator plans with it, and `config
// show` prints it:
//
//	|←──────────────────────────────── Whole ────────────────────────────────→|
//	head → admission → start → fetch → slot → render → reply → store
//	                   (in the queue)
//
// Admission begins with the flight and Start with the job. Every other step begins at the end of the
// step before it. The bounds of the steps add up to more than Whole, which bounds them all: each bound
// is the time of its step on a bad day, and no request has a bad day at each step.
package deadline

import (
	"fmt"
	"time"
)

const (
	// Election bounds the time for which the stream takes and gives nothing after NATS servers have
	// lost its leader. The servers wait 4 to 9 s before they elect another leader (nats-server's
	// minElectionTimeout and maxElectionTimeout).
	Election = 10 * time.Second
	// AckWait is the silence of a renderer after which JetStream gives its job to another renderer.
	// Renderers report progress every third of AckWait.
	AckWait = 10 * time.Second
	// Publish bounds all attempts to publish a job: a client gives up a stopped NATS server only after
	// a while.
	Publish = 2 * Election
	// Acknowledge bounds one attempt to publish a job.
	Acknowledge = 2 * time.Second
	// Head bounds a question for the head of an original or a thumbnail.
	Head = 5 * time.Second
	// Restore bounds all attempts to publish a job again that the queue lost: the time in which the queue
	// takes nothing.
	Restore = Election
	// Fetch bounds the download of one original.
	Fetch = 20 * time.Second
	// Slot bounds a job's wait for a slot. The renderer then hands the job back: a long render is in
	// the way, and another renderer may be idle.
	Slot = 5 * time.Second
	// FirstTry bounds the first render of a drawing, a page or a frame, because nothing predicts its
	// duration. Nearly all take less than a second. The renderer tries a longer render again beside its
	// slots, where it holds up no other render.
	FirstTry = 5 * time.Second
	// StartAgain is the least time that a job must have left when a renderer hands it back: another
	// renderer must be able to begin it.
	StartAgain = time.Second
	// Store bounds the write of a thumbnail. The write goes on after the client has left.
	Store = 10 * time.Second
	// Slack is the time that an edge adds to other bounds: a renderer's own answer then arrives first,
	// and a last look into the store fits before the deadline.
	Slack = time.Second
	// closing is the time in which a process closes its connections after the last request.
	closing = 5 * time.Second
)

// Split has the bounds of one request and its steps.
type Split struct {
	Whole           time.Duration // edge.deadline: of the request
	Head            time.Duration // of a question for a head
	Admission       time.Duration // throttle.queue_wait: of the wait for all places at the coordinator
	Start           time.Duration // from the publication of a job until a renderer begins it
	Restore         time.Duration // of the attempts to publish a lost job again
	Fetch           time.Duration // of the original
	Slot            time.Duration // of the wait for a slot of the renderer
	Render          time.Duration // renderer.time_limit
	RenderExpensive time.Duration // renderer.time_limit_expensive: of an expensive type
	Store           time.Duration // of the thumbnail
	Slack           time.Duration
}

// New splits a request's time, with the values of the settings.
func New(whole, queueWait, render, renderExpensive time.Duration) Split {
	return Split{
		Whole: whole, Head: Head, Admission: queueWait, Start: queueWait + Election, Restore: Restore, Fetch: Fetch, Slot: Slot,
		Render: render, RenderExpensive: renderExpensive, Store: Store, Slack: Slack,
	}
}

// LongestRender returns the longer of the two limits of a render.
func (s Split) LongestRender() time.Duration { return max(s.Render, s.RenderExpensive) }

// Behind returns the time that a flight may wait behind others of its client. It leaves time for a render of
// the standard lane.
func (s Split) Behind() time.Duration {
	return max(s.Admission, s.Whole-s.Start-s.Render-s.Slack)
}

// SlowStart returns the time from the publication of a slow job until a renderer begins it: another slow render may
// be under way.
func (s Split) SlowStart() time.Duration { return s.Start + s.LongestRender() }

// Stop returns the bound of a clean stop of a process: the requests and renders under way end, and then their
// connections. No render takes longer than Whole, as Problems checks.
func (s Split) Stop() time.Duration { return s.Whole + closing }

// SecondRender returns the time of a render by a second renderer, after a first renderer died just
// before its end.
func (s Split) SecondRender() time.Duration { return AckWait + s.LongestRender() }

// Problems returns the conflicts between bounds, by the key of the setting to change.
func (s Split) Problems() map[string]string {
	problems := map[string]string{}
	if s.SecondRender() > s.Whole {
		problems["edge.deadline"] = fmt.Sprintf("%v is too short to notice a dead renderer (%v) and render again (%v): set at least %v", s.Whole, AckWait, s.LongestRender(), s.SecondRender())
	}
	if s.Admission >= s.Whole {
		problems["throttle.queue_wait"] = fmt.Sprintf("%v is not below edge.deadline (%v): set less", s.Admission, s.Whole)
	}
	return problems
}

// Step is one step of a request and its bound.
type Step struct {
	Name  string
	Bound time.Duration
	From  string // the setting that decides the bound; "" for a fixed bound
}

// Steps returns the steps of a request in order.
func (s Split) Steps() []Step {
	return []Step{
		{"head of the original", s.Head, ""},
		{"wait behind the client's own flights", s.Behind(), "edge.deadline, less the start and the render"},
		{"admission", s.Admission, "throttle.queue_wait"},
		{"start", s.Start, "throttle.queue_wait, and an election of NATS"},
		{"start of a job that the queue lost", s.Restore, ""},
		{"fetch", s.Fetch, ""},
		{"slot", s.Slot, ""},
		{"render", s.Render, "renderer.time_limit"},
		{"render of an expensive type", s.RenderExpensive, "renderer.time_limit_expensive"},
		{"store", s.Store, ""},
		{"slack", s.Slack, ""},
		{"whole request", s.Whole, "edge.deadline"},
		{"stop of a process", s.Stop(), "edge.deadline"},
	}
}
