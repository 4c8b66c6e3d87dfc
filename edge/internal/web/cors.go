package web

import (
	"net/http"
	"slices"
)

// shareWith lets scripts of the origins in edge.cors read the answer and its times. For a private
// thumbnail, keepPrivate removes the headers again.
func (x *exchange) shareWith(origin string) {
	allowed := x.handler.settings.Edge.CORS
	onlyHere := x.client.Local && len(x.handler.settings.Edge.Keys()) == 0 && !x.handler.settings.Edge.AllowUnsafe
	if len(allowed) == 0 || onlyHere { // pages of other sites must not read answers that only this machine gets
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
	if x.r.Header.Get("Origin") != "" { // a script asks
		x.setHeader("Access-Control-Expose-Headers", "*")
	}
	x.setHeader("Timing-Allow-Origin", origin)
}

// keepPrivate removes the headers that shareWith set.
func (x *exchange) keepPrivate() {
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Timing-Allow-Origin"} {
		x.w.Header().Del(name)
	}
}

// preflight answers the request that a browser sends before a script's request.
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
