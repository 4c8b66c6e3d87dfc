package web

import (
	"net/http"
	"slices"
)

// exposed are the headers that scripts of other sites may read.
const exposed = "Content-Length, Content-Disposition, ETag, Retry-After, Server-Timing, Thumbmill-Throttle, Thumbmill-Skipped-Filters, Thumbmill-Nearest, X-Request-Id"

// shareWith lets scripts of other origins read the answer and its times, where the
// settings name them. What is private is not shared (give and refuse take it back).
func (x *exchange) shareWith(origin string) {
	allowed := x.settings.Edge.CORS
	if len(allowed) == 0 {
		return
	}
	header := x.w.Header()
	if !slices.Contains(allowed, "*") {
		header.Add("Vary", "Origin")
		if !slices.Contains(allowed, origin) {
			return
		}
	} else {
		origin = "*"
	}
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Expose-Headers", exposed)
	header.Set("Timing-Allow-Origin", origin)
}

// keepPrivate takes back what shareWith said.
func (x *exchange) keepPrivate() {
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Timing-Allow-Origin"} {
		x.w.Header().Del(name)
	}
}

// preflight answers what a browser asks before a script's request.
func (x *exchange) preflight() {
	x.outcome = "preflight"
	header := x.w.Header()
	header.Set("Allow", "GET, HEAD, OPTIONS")
	if header.Get("Access-Control-Allow-Origin") != "" {
		header.Set("Access-Control-Allow-Methods", "GET, HEAD")
		header.Set("Access-Control-Allow-Headers", "Range, If-Range, If-None-Match, If-Modified-Since, X-Request-Id")
		header.Set("Access-Control-Max-Age", "86400")
	}
	x.w.WriteHeader(http.StatusNoContent)
}
