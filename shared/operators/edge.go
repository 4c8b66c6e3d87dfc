package operators

import (
	"encoding/json"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// Bounds of a request to an edge.
const (
	// MaxOriginals bounds the originals in one request to Purge.
	MaxOriginals = 1000
	// MaxThumbnails bounds the thumbnails in one request to Render.
	MaxThumbnails = 10_000
	// MaxBody bounds a request's body in bytes.
	MaxBody = 16 << 20
)

// FailingList answers GET Failing with the failing originals, the latest first.
type FailingList struct {
	Failing []lease.Failing `json:"failing"`
}

// Cleared answers DELETE Failing?original=NAME.
type Cleared struct {
	Original string `json:"original"`
	Counters int    `json:"cleared"` // counters that the edge forgot
}

// PurgeRequest is the body of POST Purge: at most MaxOriginals originals, by their names in logs.
type PurgeRequest struct {
	Originals []string `json:"originals"`
}

// PurgeReport is a line of the answer to POST Purge: the progress of a purge.
type PurgeReport struct {
	Original string   `json:"original"`
	Deleted  int      `json:"deleted"`           // thumbnails deleted in the store
	Edges    []string `json:"edges"`             // edges that forgot the original
	CDN      int      `json:"cdn"`               // requests that the CDN answered
	Missed   []string `json:"missed,omitempty"`  // parts that the purge could not reach, each with the reason
	Unnamed  int      `json:"unnamed,omitempty"` // number of further parts that the purge could not reach
	Absent   bool     `json:"absent,omitempty"`  // no original has this name, and it had no thumbnails
	Done     bool     `json:"done"`              // the last line of this original
}

// RenderRequest is the body of POST Render, with at most MaxThumbnails thumbnails. Renew renders stored
// thumbnails again if today's rules give another thumbnail.
type RenderRequest struct {
	Thumbnails []RenderItem `json:"thumbnails"`
	Renew      bool         `json:"renew"`
}

// RenderItem is one thumbnail: a path as in a client's request, without the signature of a Thumbor URL,
// or a spec.
type RenderItem struct {
	Path string          `json:"path,omitempty"`
	Spec json.RawMessage `json:"spec,omitempty"`
}

// RenderResult is a line of the answer to POST Render: the outcome of one thumbnail, named by Path or
// Spec as in the request.
type RenderResult struct {
	Path    string          `json:"path,omitempty"`
	Spec    json.RawMessage `json:"spec,omitempty"`
	Number  int             `json:"number"` // number of this result, from 1
	Of      int             `json:"of"`
	Outcome string          `json:"outcome"` // hit, rendered, shared, or the fault
	Message string          `json:"message,omitempty"`
	Key     string          `json:"key,omitempty"` // key in the store of thumbnails
	Seconds float64         `json:"seconds"`
}

// OK reports whether the thumbnail is in the store now.
func (r RenderResult) OK() bool { return r.Message == "" }
