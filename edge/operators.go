package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/version"
)

const (
	// statusFailing is how many failing originals an edge tells its coordinator of.
	statusFailing = 20
	// listEvery bounds how often it asks the failure memory for them.
	listEvery   = 5 * time.Second
	listTimeout = time.Second
)

// status tells a coordinator what operators want to see of this edge. It is called
// by one goroutine.
func (e *Edge) status() func() lease.Status {
	var failing []lease.Failing
	var listed time.Time
	return func() lease.Status {
		if time.Since(listed) > listEvery {
			ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
			all, _ := e.failures.Failing(ctx) // what is known of them; the breaker tells the rest
			cancel()
			failing, listed = all[:min(len(all), statusFailing)], time.Now()
		}
		s := lease.Status{Version: version.Text(), Breakers: map[string]string{}, Lanes: e.lanes.Seen(), Failing: failing}
		if h := e.requests.Load(); h != nil {
			s.Requests = h.Requests()
		}
		for _, b := range e.breakers {
			s.Breakers[b.Name()] = b.State().String()
		}
		return s
	}
}

// API is what operators ask of an edge:
//
//	GET    /api/v1/failing                          failing originals, the latest first
//	DELETE /api/v1/failing?original=container/path  has one tried again
//	POST   /api/v1/purge                            has all forget thumbnails of originals
//	POST   /api/v1/render                           has thumbnails rendered in advance
//
// The last two answer with a line of JSON for each step, the last of which tells how it
// ended. A browser cannot be made to send the others than the first by another site's
// page: they want a header, and are no simple requests.
func (e *Edge) API() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+operators.Failing, e.listFailing)
	mux.HandleFunc("DELETE "+operators.Failing, e.clearFailing)
	mux.HandleFunc("POST "+operators.Purge, e.purge)
	mux.HandleFunc("POST "+operators.Render, e.render)
	return mux
}

// APIPaths are where API is to be found.
func APIPaths() []string {
	return []string{operators.Failing, operators.Purge, operators.Render}
}

func (e *Edge) listFailing(w http.ResponseWriter, r *http.Request) {
	failing, err := e.failures.Failing(r.Context())
	if err != nil {
		http.Error(w, "the failure memory does not answer: "+err.Error(), http.StatusBadGateway)
		return
	}
	operators.Answer(w, operators.FailingList{Failing: append([]lease.Failing{}, failing...)})
}

func (e *Edge) clearFailing(w http.ResponseWriter, r *http.Request) {
	original := r.URL.Query().Get("original")
	if original == "" {
		http.Error(w, "?original= names none", http.StatusBadRequest)
		return
	}
	cleared, err := e.failures.Clear(r.Context(), original)
	switch {
	case err != nil:
		http.Error(w, "the failure memory does not answer: "+err.Error(), http.StatusBadGateway)
	case cleared == 0:
		http.Error(w, original+" is not among the latest failures", http.StatusNotFound)
	default:
		e.config.Log.Info("an operator had the failures of an original forgotten", "original", original, "counters", cleared, "address", r.RemoteAddr)
		operators.Answer(w, operators.Cleared{Original: original, Counters: cleared})
	}
}

func (e *Edge) purge(w http.ResponseWriter, r *http.Request) {
	var list operators.PurgeRequest
	if !e.read(w, r, &list, `{"originals": ["a/b.jpg", "container/a/ab/B.jpg"]}`) {
		return
	}
	if len(list.Originals) == 0 || len(list.Originals) > operators.MaxOriginals || slices.Contains(list.Originals, "") {
		http.Error(w, fmt.Sprintf("a list has 1 to %d originals, each with a name", operators.MaxOriginals), http.StatusBadRequest)
		return
	}
	tell := lines(w)
	for _, original := range list.Originals {
		e.config.Log.Info("an operator purges", "original", original, "address", r.RemoteAddr)
		e.purger.Purge(r.Context(), original, func(report operators.PurgeReport) { tell(report, report.Done) })
	}
}

func (e *Edge) render(w http.ResponseWriter, r *http.Request) {
	var list operators.RenderRequest
	if !e.read(w, r, &list, `{"thumbnails": [{"path": "/unsafe/330x/a.jpg"}, {"spec": {…}}], "renew": false}`) {
		return
	}
	if len(list.Thumbnails) == 0 || len(list.Thumbnails) > operators.MaxThumbnails {
		http.Error(w, fmt.Sprintf("a list has 1 to %d thumbnails, this one %d", operators.MaxThumbnails, len(list.Thumbnails)), http.StatusBadRequest)
		return
	}
	e.config.Log.Info("an operator has thumbnails rendered", "thumbnails", len(list.Thumbnails), "renew", list.Renew, "address", r.RemoteAddr)
	tell := lines(w)
	e.bulk.Render(r.Context(), list.Thumbnails, list.Renew, func(result operators.RenderResult) { tell(result, true) })
}

// read reads a body like the example. One of another type is refused: a page of another
// site could have a browser send it.
func (e *Edge) read(w http.ResponseWriter, r *http.Request, into any, example string) bool {
	if r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, "Content-Type is to be application/json", http.StatusUnsupportedMediaType)
		return false
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, operators.MaxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		http.Error(w, "the body is to be "+example+": "+err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

// lines writes lines of JSON as they come, but no more than ten a second of those that
// are not to be kept.
func lines(w http.ResponseWriter) func(line any, keep bool) {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	out, flush := json.NewEncoder(w), http.NewResponseController(w)
	var last time.Time
	return func(line any, keep bool) {
		if !keep && time.Since(last) < 100*time.Millisecond {
			return
		}
		last = time.Now()
		_ = out.Encode(line) // the client left: its context ends the rest
		_ = flush.Flush()
	}
}
