package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/refusals"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// refuse answers with an error, as its fault's kind says.
func (x *exchange) refuse(err error) {
	if x.r.Context().Err() != nil {
		x.outcome = "client-left"
		return
	}
	f := fault.Of(err)
	x.outcome = string(f.Kind)
	x.handler.metrics.failures.WithLabelValues(string(f.Kind)).Inc()
	traits := f.Kind.Traits()
	x.refused = traits.Status
	header := x.w.Header()
	header.Set("Cache-Control", "no-store")
	if keep := x.keepFor(f.Kind); keep > 0 {
		header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(keep.Seconds())))
	}
	if x.private {
		header.Set("Cache-Control", "private, no-store")
	}
	if f.Kind == fault.Private {
		header.Set("Www-Authenticate", `X-Swift-Secret realm="private container"`)
	}
	if after := f.RetryAfter(); after > 0 {
		header.Set("Retry-After", strconv.Itoa(int(jittered(after).Seconds())))
	}
	if f.Throttle != "" {
		header.Set("Thumbmill-Throttle", f.Throttle)
	}
	if f.Instead != "" {
		header.Set("Link", "<"+f.Instead+`>; rel="alternate"`)
	}
	if header.Get("Server-Timing") == "" {
		x.tellTiming(nil)
	}
	x.logRefusal(f)
	if x.tells(f.Message) {
		f = fault.New(f.Kind, "the original of this URL cannot be shown: %s", f.Kind)
	}
	if !x.writeFallback(f) {
		x.writeFault(f, traits.Status)
	}
}

// tells reports whether a text has the hidden name of the original, or the host in that name.
func (x *exchange) tells(text string) bool {
	if x.hidden == "" {
		return false
	}
	at, err := url.Parse(x.hidden)
	return strings.Contains(text, x.hidden) || err == nil && at.Host != "" && strings.Contains(text, at.Hostname())
}

// logRefusal logs refusals with a remedy sampled by cause, and each fault of ours that no throttle made.
func (x *exchange) logRefusal(f *fault.Fault) {
	if f.Remedy() != "" {
		x.handler.refusals.Note(refusals.Refusal{
			Cause: cmp.Or(f.Throttle, string(f.Kind)), Client: x.client.Key, Path: x.r.URL.Path, Remedy: f.Remedy(), Error: f,
		})
	}
	level := slog.LevelDebug
	if f.Throttle == "" && f.Kind.Traits().Status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if !x.handler.log.Enabled(x.r.Context(), level) { // to make the arguments costs memory
		return
	}
	x.handler.log.Log(x.r.Context(), level, "refuse request", "request", x.id, "client", x.client.Key, "path", x.r.URL.Path, "fault", f.Kind, "error", f)
}

// keepFor returns the time for which caches may keep a refusal; 0 means that they may not keep it.
func (x *exchange) keepFor(kind fault.Kind) time.Duration {
	if kind == fault.Absent {
		return x.handler.settings.Edge.AbsentMaxAge
	}
	return kind.Traits().Cache
}

// jittered returns a random time between after and one and a half times after, plus at most a second,
// so that clients that were refused together do not return together.
func jittered(after time.Duration) time.Duration {
	return after + rand.N(after/2+time.Second) //nolint:gosec // jitter is no secret
}

// problem is the body of a refusal in JSON (RFC 9457).
type problem struct {
	Type     string `json:"type"` // urn:thumbmill:fault:<kind>
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Instance string `json:"instance"` // the request's id, which logs have too
	Throttle string `json:"throttle,omitempty"`
	Retry    string `json:"retry_after,omitempty"` // seconds
	Instead  string `json:"instead,omitempty"`     // the path to ask for instead
}

// writeFault writes a fault as text, or as JSON if the client prefers JSON.
func (x *exchange) writeFault(f *fault.Fault, status int) {
	header := x.w.Header()
	header.Add("Vary", "Accept")
	if !prefersJSON(x.r.Header.Get("Accept")) {
		http.Error(x.w, f.Message, status)
		return
	}
	body, _ := json.Marshal(problem{ // always encodes
		Type: "urn:thumbmill:fault:" + string(f.Kind), Title: http.StatusText(status), Status: status, Detail: f.Message,
		Instance: x.id, Throttle: f.Throttle, Retry: header.Get("Retry-After"), Instead: f.Instead,
	})
	header.Set("Content-Type", "application/problem+json")
	header.Set("X-Content-Type-Options", "nosniff")
	x.w.WriteHeader(status)
	_, _ = x.w.Write(append(body, '\n')) // an error means that the client left
}

// prefersJSON reports whether accept names JSON, and no text type before it.
func prefersJSON(accept string) bool {
	for part := range strings.SplitSeq(accept, ",") {
		media, parameters, _ := strings.Cut(part, ";")
		if _, q, ok := strings.Cut(parameters, "q="); ok && strings.Trim(q, "0. ") == "" {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "application/problem+json", "application/json":
			return true
		case "text/plain", "text/html", "text/*":
			return false
		}
	}
	return false
}

// refuseMethod answers 405 with the allowed methods.
func (x *exchange) refuseMethod() {
	x.outcome = "bad-method"
	x.w.Header().Set("Allow", "GET, HEAD, OPTIONS")
	http.Error(x.w, "the method "+x.r.Method+" is not allowed: use GET or HEAD", http.StatusMethodNotAllowed)
}
