package listener

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/token"
)

// guarded answers reads for all clients, and changes only for requests with the token. Browsers never
// add this header by themselves, so a page of another site cannot make changes in an operator's name.
// Such a page cannot read either, under a name of its own that resolves to an operator's machine.
func guarded(shows token.Token, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rebound(r) {
			http.Error(w, "the Host header has a dot: on loopback, call this listener by localhost, by an IP address or by a name without a dot", http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !shows.Shown(r) {
			w.Header().Set("Www-Authenticate", `Bearer realm="thumbmill operators"`)
			http.Error(w, "a change needs the token of admin.token_file: send it as Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// rebound reports whether a request came over loopback under a name that a stranger may have registered
// (DNS rebinding).
func rebound(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	host := (&url.URL{Host: r.Host}).Hostname()
	return ok && local.IP.IsLoopback() && net.ParseIP(host) == nil && strings.Contains(host, ".")
}

// access answers whether the request has the right token.
func access(right token.Token) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		operators.Answer(w, map[string]bool{"act": right.Shown(r)})
	}
}
