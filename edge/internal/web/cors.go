package web

import (
	"net/http"
	"slices"
)

// shareWith lets scripts of other origins read the answer and its times, where the
// settings name them. What is private is not shared: keepPrivate takes it back.
func (x *exchange) shareWith(origin string) {
	allowed := x.handler.settings.Edge.CORS
	onlyHere := x.client.Local && x.handler.settings.Edge.SecurityKey == "" && !x.handler.settings.Edge.AllowUnsafe
	if len(allowed) == 0 || onlyHere { // what is served to this machine alone is not for all that its browser shows
		return
	}
	if !slices.Contains(allowed, "*") {
		x.w.Header().Add("Vary", "Origin")
		if !slices.Contains(allowed, origin) {
			return
		}
	} else {
		origin = "*"
	}
	x.setHeader("Access-Control-Allow-Origin", origin)
	if x.r.Header.Get("Origin") != "" { // a script reads it, and not a page
		x.setHeader("Access-Control-Expose-Headers", "*")
	}
	x.setHeader("Timing-Allow-Origin", origin)
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
