package operators

import (
	"encoding/json"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// Bounds of a request to an edge.
const (
	// MaxOriginals is how many originals one request to Purge names.
	MaxOriginals = 1000
	// MaxThumbnails is how many thumbnails one request to Render names.
	MaxThumbnails = 10_000
	// MaxBody is the length of a request's body in bytes.
	MaxBody = 16 << 20
)

// FailingList answers GET Failing: originals that fail, the latest first.
type FailingList struct {
	Failing []lease.Failing `json:"failing"`
}

// Cleared answers DELETE Failing?original=NAME.
type Cleared struct {
	Original string `json:"original"`
	Counters int    `json:"cleared"` // that were forgotten
}

// PurgeRequest is the body of POST Purge: originals as logs name them, at most
// MaxOriginals.
type PurgeRequest struct {
	Originals []string `json:"originals"`
}

// PurgeReport is a line of the answer to POST Purge: what a purge did so far.
type PurgeReport struct {
	Original string   `json:"original"`
	Deleted  int      `json:"deleted"`           // thumbnails in the store
	Edges    []string `json:"edges"`             // that forgot them
	CDN      int      `json:"cdn"`               // requests that the CDN answered
	Missed   []string `json:"missed,omitempty"`  // what could not be reached, and why
	Unnamed  int      `json:"unnamed,omitempty"` // how much more could not be reached
	Done     bool     `json:"done"`              // the last line of this original
}

// RenderRequest is the body of POST Render, with at most MaxThumbnails. Renew renders
// again those that today's rules would render otherwise.
type RenderRequest struct {
	Thumbnails []RenderItem `json:"thumbnails"`
	Renew      bool         `json:"renew"`
}

// RenderItem is one thumbnail: the path by which a client would ask for it, unsigned where
// it is Thumbor's, or a spec.
type RenderItem struct {
	Path string          `json:"path,omitempty"`
	Spec json.RawMessage `json:"spec,omitempty"`
}

// RenderResult is a line of the answer to POST Render: what became of one thumbnail, which
// Path or Spec names as the request did.
type RenderResult struct {
	Path    string          `json:"path,omitempty"`
	Spec    json.RawMessage `json:"spec,omitempty"`
	Number  int             `json:"number"` // of this result, from 1
	Of      int             `json:"of"`
	Outcome string          `json:"outcome"` // hit, rendered, shared, or the fault
	Message string          `json:"message,omitempty"`
	Key     string          `json:"key,omitempty"` // where it is kept
	Seconds float64         `json:"seconds"`
}

// OK reports whether the thumbnail is there now.
func (r RenderResult) OK() bool { return r.Message == "" }
