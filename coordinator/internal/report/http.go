package report

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const (
	defaultPools   = 200
	maxPools       = 10_000
	maxStreams     = 1000 // at once
	freshFor       = 9 * streamInterval / 10
	streamInterval = time.Second
	writeTimeout   = 5 * time.Second
)

// Handler serves the paths of the package's comment.
func (r *Reporter) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+operators.Throttles, r.serveReport)
	mux.HandleFunc("GET "+operators.ThrottlesStream, r.serveStream)
	mux.HandleFunc("GET "+operators.ThrottlesHistory, func(w http.ResponseWriter, q *http.Request) {
		operators.Answer(w, r.series(q.Context()))
	})
	mux.HandleFunc("GET "+operators.ThrottlesTable, func(w http.ResponseWriter, _ *http.Request) {
		operators.Answer(w, rows())
	})
	mux.HandleFunc("GET "+operators.ThrottlesRequests, r.serveRequests)
	return mux
}

// poolsWanted reads ?pools=.
func poolsWanted(q *http.Request) (int, error) {
	text := q.URL.Query().Get("pools")
	if text == "" {
		return defaultPools, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxPools {
		return 0, fmt.Errorf("?pools=%.20q is not a number from 0 to %d", text, maxPools)
	}
	return n, nil
}

func (r *Reporter) serveReport(w http.ResponseWriter, q *http.Request) {
	n, err := poolsWanted(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	operators.Answer(w, r.Throttles(n))
}

// serveStream sends a report at once and one every streamInterval, until the client leaves or the
// reporter stops.
func (r *Reporter) serveStream(w http.ResponseWriter, q *http.Request) {
	n, err := poolsWanted(q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if !r.streams.TryAcquire(1) {
		http.Error(w, fmt.Sprintf("%d streams are open already, and no more are allowed: close one", maxStreams), http.StatusServiceUnavailable)
		return
	}
	defer r.streams.Release(1)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	ctx, cancel := context.WithCancel(q.Context())
	defer cancel()
	defer context.AfterFunc(r.stopped, cancel)()
	control := http.NewResponseController(w)
	periodic.Do(ctx, streamInterval, func(context.Context) {
		if sendEvent(w, control, r.text(n)) != nil {
			cancel() // the client left or does not read
		}
	})
}

// serveRequests answers with the latest requests of ?client= or ?original=.
func (r *Reporter) serveRequests(w http.ResponseWriter, q *http.Request) {
	client, original := q.URL.Query().Get("client"), q.URL.Query().Get("original")
	switch {
	case (client == "") == (original == ""):
		http.Error(w, fmt.Sprintf("the query %q does not name a client or an original alone: write ?client=NAME or ?original=NAME, with a name as in %s", q.URL.RawQuery, operators.Throttles), http.StatusBadRequest)
	case client != "":
		operators.Answer(w, r.config.Requests.OfClient(client))
	default:
		operators.Answer(w, r.config.Requests.OfOriginal(original))
	}
}

// Row is a throttle as operators see it.
type Row struct {
	Name    throttle.Name `json:"name"`
	Setting string        `json:"setting,omitempty"` // of its limits
	Meaning string        `json:"meaning"`           // of a refusal
	Remedy  string        `json:"remedy"`
	Outcome fault.Kind    `json:"outcome"` // of refused requests
	// OfClient says that a refusal concerns one client.
	OfClient bool `json:"of_client"`
}

// rows returns the throttles, in the order in which a request meets them.
func rows() (all []Row) {
	for _, t := range throttle.All() {
		row := Row{Name: t.Name, Meaning: t.Meaning, Remedy: t.Remedy, Outcome: t.Kind, OfClient: t.OfClient}
		if t.Setting != "" {
			row.Setting = "throttle." + t.Setting
		}
		all = append(all, row)
	}
	return all
}

// encoded has the latest events of streams: a report as JSON, by its bound of pools. All streams of a
// second with the same bound share an event.
type encoded struct {
	mu     sync.Mutex
	events map[int]event
}

type event struct {
	at   time.Time
	text []byte
}

// text returns an event of at most freshFor ago.
func (r *Reporter) text(pools int) []byte {
	e := &r.latest
	e.mu.Lock()
	defer e.mu.Unlock()
	maps.DeleteFunc(e.events, func(_ int, old event) bool { return time.Since(old.at) > freshFor })
	if known, ok := e.events[pools]; ok {
		return known.text
	}
	text, err := json.Marshal(r.Throttles(pools))
	if err != nil {
		return nil
	}
	text = fmt.Appendf(nil, "event: throttles\ndata: %s\n\n", text)
	if e.events == nil {
		e.events = map[int]event{}
	}
	e.events[pools] = event{time.Now(), text}
	return text
}

func sendEvent(w http.ResponseWriter, control *http.ResponseController, event []byte) error {
	_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // fails for a test's recorder
	if _, err := w.Write(event); err != nil {
		return err
	}
	return control.Flush()
}
