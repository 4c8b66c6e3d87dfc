package front

import "net/http"

// patience is how many requests one HTTP/2 connection may take back before they were
// answered. A browser whose user scrolls takes back dozens; an attacker, who pays nothing
// for it while each costs the server something ("rapid reset"), takes back all of them,
// and has to connect anew.
const patience = 500

// patient closes connections that try it.
func patient(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.ServeHTTP(w, r)
		if r.ProtoMajor != 2 || r.Context().Err() == nil {
			return
		}
		if g, ok := r.Context().Value(connKey{}).(*gathering); ok && g.resets.Add(1) == patience {
			_ = g.Close()
		}
	})
}
