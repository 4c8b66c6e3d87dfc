package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/service"
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
		s := lease.Status{Version: service.Version(), Breakers: map[string]string{}, Failing: failing}
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
//
// A browser cannot be made to send the second by another site's page: it is no
// simple request.
func (e *Edge) API() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/failing", e.listFailing)
	mux.HandleFunc("DELETE /api/v1/failing", e.clearFailing)
	return mux
}

func (e *Edge) listFailing(w http.ResponseWriter, r *http.Request) {
	failing, err := e.failures.Failing(r.Context())
	if err != nil {
		http.Error(w, "the failure memory does not answer: "+err.Error(), http.StatusBadGateway)
		return
	}
	answer(w, map[string]any{"failing": append([]lease.Failing{}, failing...)})
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
		answer(w, map[string]any{"original": original, "cleared": cleared})
	}
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) // the client left
}
