package listener

import (
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/operators/token"
)

// guarded lets everybody look, and lets those act who show the token. Since browsers add no
// such header by themselves, no other site's page can act in an operator's name; nor can it
// look, by a name of its own that leads to an operator's own machine.
func guarded(shows token.Token, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if rebound(r) {
			http.Error(w, "on loopback this listener has no names but localhost and those without a dot", http.StatusMisdirectedRequest)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead && !shows.Shown(r) {
			w.Header().Set("Www-Authenticate", `Bearer realm="thumbmill operators"`)
			http.Error(w, "to look takes nothing; to act takes the token of admin.token_file, as Authorization: Bearer TOKEN", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// rebound reports whether a request came over loopback, for a name that anybody may have
// registered.
func rebound(r *http.Request) bool {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	host := (&url.URL{Host: r.Host}).Hostname()
	return ok && local.IP.IsLoopback() && net.ParseIP(host) == nil && strings.Contains(host, ".")
}

// access says whether the request's token is the right one.
func access(right token.Token) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		operators.Answer(w, map[string]bool{"act": right.Shown(r)})
	}
}
