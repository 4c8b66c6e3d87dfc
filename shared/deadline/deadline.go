// Package deadline splits the time of one request among its steps, once.
//
// The settings are checked by it, the edge and the renderer wait by it, the simulator plans
// by it, and `config show` prints it:
//
//	|←──────────────────────────── Whole ────────────────────────────→|
//	admission → start → fetch → slot → render → reply → store
//	            (in the queue)
//
// Admission and Start begin with the flight and with the job; every other step begins where
// the one before it ends. The steps' bounds add up to more than Whole, which cuts them all:
// each is what the step may take on a bad day, and no request has a bad day at each step.
package deadline

import (
	"fmt"
	"time"
)

const (
	// Election is for how long nothing may be taken from the stream, or put into it, when
	// NATS servers lose the one that leads it: they wait 4 to 9 s before they elect another
	// (nats-server's minElectionTimeout and maxElectionTimeout).
	Election = 10 * time.Second
	// AckWait is how long JetStream waits for a sign of life of a renderer before it hands
	// the job to another. Renderers give one every third of it.
	AckWait = 10 * time.Second
	// Publish bounds all attempts to publish a job: a server that is held is given up only
	// after a while.
	Publish = 2 * Election
	// Acknowledge bounds one attempt to publish a job.
	Acknowledge = 2 * time.Second
	// Fetch bounds the download of one original.
	Fetch = 20 * time.Second
	// Slot is how long a job waits for a slot before it is handed back: a long render is in
	// the way, and another renderer may be idle.
	Slot = 5 * time.Second
	// FirstTry bounds the first render of a drawing, a page or the like, of which nothing tells
	// how long it takes: nearly all take less than a second. One that takes longer is tried
	// again where it holds back nobody.
	FirstTry = 5 * time.Second
	// StartAgain is what a job that is handed back has left at least for another renderer to
	// begin it.
	StartAgain = time.Second
	// Store bounds the write of a thumbnail, which goes on when the client is gone.
	Store = 10 * time.Second
	// Slack is what an edge leaves around other bounds, so that a renderer's own word
	// arrives first, and a last look into the store fits before the deadline.
	Slack = time.Second
)

// Split is the time of one request, and of its steps.
type Split struct {
	Whole           time.Duration // edge.deadline: of the request
	Admission       time.Duration // throttle.queue_wait: for all places at the coordinator
	Start           time.Duration // from publishing a job until a renderer begins it
	Fetch           time.Duration // of the original
	Slot            time.Duration // for a slot of the renderer
	Render          time.Duration // renderer.time_limit
	RenderExpensive time.Duration // renderer.time_limit_expensive: of an expensive type
	Store           time.Duration // of the thumbnail
	Slack           time.Duration
}

// New splits a request's time by what the settings say.
func New(whole, queueWait, render, renderExpensive time.Duration) Split {
	return Split{
		Whole: whole, Admission: queueWait, Start: queueWait + Election, Fetch: Fetch, Slot: Slot,
		Render: render, RenderExpensive: renderExpensive, Store: Store, Slack: Slack,
	}
}

// LongestRender is the longer one of the two limits of a render.
func (s Split) LongestRender() time.Duration { return max(s.Render, s.RenderExpensive) }

// GiveUpStart is when an edge gives up a job that nobody began: after the renderers, whose
// refusal is the clearer word.
func (s Split) GiveUpStart() time.Duration { return s.Start + s.Slack }

// SecondRender is how long it takes until a second renderer has rendered what a first one
// died under just before it was done.
func (s Split) SecondRender() time.Duration { return AckWait + s.LongestRender() }

// Problems are what does not fit, each with the key of the setting that is to blame.
func (s Split) Problems() map[string]string {
	problems := map[string]string{}
	if s.SecondRender() > s.Whole {
		problems["edge.deadline"] = fmt.Sprintf("%v leaves no room to notice a dead renderer (%v) and render again (%v)", s.Whole, AckWait, s.LongestRender())
	}
	if s.Admission >= s.Whole {
		problems["throttle.queue_wait"] = fmt.Sprintf("%v is not below edge.deadline (%v)", s.Admission, s.Whole)
	}
	return problems
}

// Step is one step of a request and its bound.
type Step struct {
	Name  string
	Bound time.Duration
	From  string // the setting that it follows from; "" where it is fixed
}

// Steps are the bounds in the order of a request.
func (s Split) Steps() []Step {
	return []Step{
		{"admission", s.Admission, "throttle.queue_wait"},
		{"start", s.Start, "throttle.queue_wait, and an election of NATS"},
		{"fetch", s.Fetch, ""},
		{"slot", s.Slot, ""},
		{"render", s.Render, "renderer.time_limit"},
		{"render of an expensive type", s.RenderExpensive, "renderer.time_limit_expensive"},
		{"store", s.Store, ""},
		{"slack", s.Slack, ""},
		{"whole request", s.Whole, "edge.deadline"},
	}
}
