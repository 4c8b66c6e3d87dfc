package edge

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/front"
	"github.com/thumbmill/thumbmill/edge/internal/trial"
	"github.com/thumbmill/thumbmill/edge/thumborurl"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/version"
)

const (
	// statusFailing is the number of failing originals that a status lists at most.
	statusFailing = 20
	// listEvery is the least time between two questions for the failing originals.
	listEvery   = 5 * time.Second
	listTimeout = time.Second
)

// status returns a function that makes the status of this edge, which coordinators show to
// operators. Only one goroutine may call the function.
func (e *Edge) status() func() lease.Status {
	var failing []lease.Failing
	var listed time.Time
	return func() lease.Status {
		if time.Since(listed) > listEvery {
			ctx, cancel := context.WithTimeout(context.Background(), listTimeout)
			all, _ := e.failures.Failing(ctx) // a partial list will do; the breaker's state shows the error
			cancel()
			failing, listed = all[:min(len(all), statusFailing)], time.Now()
		}
		s := lease.Status{Version: version.Text(), Breakers: map[string]string{}, Lanes: e.backlog.Seen(), Failing: failing}
		if h := e.requests.Load(); h != nil {
			s.Requests, s.Times, s.Steps = h.Requests(), h.Times(), h.Steps()
		}
		for _, b := range e.breakers {
			s.Breakers[b.Name()] = b.State().String()
		}
		return s
	}
}

// API returns the handler of the operators' requests to an edge:
//
//	GET    /api/v1/failing                          lists failing originals, the latest first
//	DELETE /api/v1/failing?original=container/path  clears an original's failures
//	POST   /api/v1/purge                            deletes thumbnails of originals everywhere
//	POST   /api/v1/render                           renders thumbnails in advance
//	GET    /try/                                    the page to try URLs (package trial)
//
// The lists of purge and render answer with a line of JSON for each step; the last line says how the request
// ended. A page of another site cannot make a browser send DELETE or the POSTs: DELETE and a
// Content-Type of application/json are not simple requests of CORS.
func (e *Edge) API() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+operators.Failing, e.listFailing)
	mux.HandleFunc("DELETE "+operators.Failing, e.clearFailing)
	mux.HandleFunc("POST "+operators.Purge, e.purge)
	mux.HandleFunc("POST "+operators.Render, e.render)
	mux.Handle(trial.Path, e.trial())
	return mux
}

// APIPaths returns the paths that API serves.
func APIPaths() []string {
	return []string{operators.Failing, operators.Purge, operators.Render, trial.Path}
}

// trial returns the page to try URLs, or a handler that says how to switch it on.
func (e *Edge) trial() http.Handler {
	s := e.config.Settings
	if s.Edge.TryPage != settings.TryAlways {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "the page to try URLs is off: set edge.try_page to always", http.StatusNotFound)
		})
	}
	links := trial.Links{MediaWiki: e.grammar.MediaWiki}
	if keys := s.Edge.Keys(); len(keys) > 0 {
		links.Signer = thumborurl.Signer{Key: string(keys[0].Key), Algorithm: keys[0].Algorithm, Truncate: keys[0].Truncate}
	}
	if s.Imgproxy.Enabled {
		links.Imgproxy = e.grammar.SignImgproxy
	}
	return trial.New(trial.Config{
		Edge: e.requests.Load(), Links: links, Names: e.names, Uploads: e.config.Uploads, Listen: e.Addr(), TLS: s.Edge.TLS.Certificate != "",
		Within: s.Edge.Deadline + front.WriteSlack,
	})
}

// names returns some originals by their names in Thumbor's URLs.
func (e *Edge) names(ctx context.Context) (names []string, err error) {
	prefix := e.config.Settings.Store.Originals.Prefix
	all, err := e.config.Stores.Some(ctx, prefix)
	for _, at := range all {
		if name, ok := strings.CutPrefix(at.Path, prefix); ok && slices.Contains(thumbnail.Rendered(), string(thumbnail.TypeOf(name))) {
			names = append(names, name)
		}
	}
	return names, err
}

func (e *Edge) listFailing(w http.ResponseWriter, r *http.Request) {
	failing, err := e.failures.Failing(r.Context())
	if err != nil {
		http.Error(w, "the failure memory does not answer: "+err.Error()+"; check memcached.servers", http.StatusBadGateway)
		return
	}
	operators.Answer(w, operators.FailingList{Failing: append([]lease.Failing{}, failing...)})
}

func (e *Edge) clearFailing(w http.ResponseWriter, r *http.Request) {
	original := r.URL.Query().Get("original")
	if original == "" {
		http.Error(w, "the parameter original is missing: add ?original=container/path", http.StatusBadRequest)
		return
	}
	cleared, err := e.failures.Clear(r.Context(), original)
	switch {
	case err != nil:
		http.Error(w, "the failure memory does not answer: "+err.Error()+"; check memcached.servers", http.StatusBadGateway)
	case cleared == 0:
		http.Error(w, original+" is not among the failing originals: name it as `thumbmill failing` lists it", http.StatusNotFound)
	default:
		e.config.Log.Info("clear failures for an operator", "original", original, "counters", cleared, "address", r.RemoteAddr)
		operators.Answer(w, operators.Cleared{Original: original, Counters: cleared})
	}
}

func (e *Edge) purge(w http.ResponseWriter, r *http.Request) {
	var list operators.PurgeRequest
	if !e.readBody(w, r, &list, `{"originals": ["a/b.jpg", "container/a/ab/B.jpg"]}`) {
		return
	}
	if len(list.Originals) == 0 || len(list.Originals) > operators.MaxOriginals || slices.Contains(list.Originals, "") {
		http.Error(w, fmt.Sprintf("the list has %d originals: send 1 to %d, each with a name", len(list.Originals), operators.MaxOriginals), http.StatusBadRequest)
		return
	}
	if i := slices.IndexFunc(list.Originals, impossible); i >= 0 {
		http.Error(w, fmt.Sprintf("%q is not the name of an original: write a name as logs do, such as a/b.jpg or container/a/ab/B.jpg", list.Originals[i]), http.StatusBadRequest)
		return
	}
	tell := lines(w)
	for _, original := range list.Originals {
		e.config.Log.Info("purge for an operator", "original", original, "address", r.RemoteAddr)
		e.purgeNamed(r.Context(), original, func(report operators.PurgeReport) { tell(report, report.Done) })
	}
}

// purgeNamed purges an original, or with a * at the end of its name all originals whose names begin so.
func (e *Edge) purgeNamed(ctx context.Context, original string, tell func(operators.PurgeReport)) {
	prefix, many := strings.CutSuffix(original, "*")
	switch {
	case !many:
		e.purger.Purge(ctx, original, tell)
		return
	case prefix == "":
		tell(operators.PurgeReport{Original: original, Done: true, Missed: []string{"a * alone would purge everything: write a folder before it, such as 2026/11/*"}})
		return
	}
	names, err := e.purger.Under(ctx, prefix)
	switch {
	case err != nil:
		tell(operators.PurgeReport{Original: original, Done: true, Missed: []string{"store: " + err.Error()}})
	case len(names) == 0:
		tell(operators.PurgeReport{Original: original, Done: true, Absent: true})
	}
	for _, name := range names {
		if ctx.Err() == nil {
			e.purger.Purge(ctx, name, tell)
		}
	}
}

// impossible reports whether no original can have a name.
func impossible(name string) bool {
	at := thumbnail.Location{Path: name}
	if at.IsURL() {
		u, err := url.Parse(name)
		return err != nil || u.Host == ""
	}
	return !objectstore.Valid(at)
}

func (e *Edge) render(w http.ResponseWriter, r *http.Request) {
	var list operators.RenderRequest
	if !e.readBody(w, r, &list, `{"thumbnails": [{"path": "/unsafe/330x/a.jpg"}, {"spec": {…}}], "renew": false}`) {
		return
	}
	if len(list.Thumbnails) == 0 || len(list.Thumbnails) > operators.MaxThumbnails {
		http.Error(w, fmt.Sprintf("the list has %d thumbnails: send 1 to %d", len(list.Thumbnails), operators.MaxThumbnails), http.StatusBadRequest)
		return
	}
	e.config.Log.Info("render in advance for an operator", "thumbnails", len(list.Thumbnails), "renew", list.Renew, "address", r.RemoteAddr)
	tell := lines(w)
	e.bulk.Render(r.Context(), list.Thumbnails, list.Renew, func(result operators.RenderResult) { tell(result, true) })
}

// readBody decodes a JSON body of at most operators.MaxBody bytes and returns true, or answers with an
// error that shows the example, and returns false. It refuses other types than application/json,
// because a page of another site could make a browser send them.
func (e *Edge) readBody(w http.ResponseWriter, r *http.Request, into any, example string) bool {
	if r.Header.Get("Content-Type") != "application/json" {
		http.Error(w, fmt.Sprintf("Content-Type is %q: send application/json", r.Header.Get("Content-Type")), http.StatusUnsupportedMediaType)
		return false
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, operators.MaxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		http.Error(w, "cannot read the body: "+err.Error()+"; send JSON such as "+example, http.StatusBadRequest)
		return false
	}
	return true
}

// lines returns a function that writes each line of JSON at once. It drops a line without keep that
// comes less than 100 ms after the line before.
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
		_ = out.Encode(line) // when the client left, the request's context ends the work
		_ = flush.Flush()
	}
}
