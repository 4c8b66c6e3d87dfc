package web

import (
	"net/http"

	"github.com/thumbmill/thumbmill/edge/internal/purge"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// methodPurge is the method by which MediaWiki tells its caches that a URL changed
// ($wgCdnServers).
const methodPurge = "PURGE"

// purge makes everybody forget what a URL shows, when a trusted network asks. The answer comes
// when it is forgotten. What this cluster does not serve, such as a page, is a 404 without more.
func (x *exchange) purge() {
	if !x.client.Inner {
		x.refuse(fault.New(fault.Forbidden, "PURGE is for edge.trusted_proxies: add the network of the wiki's servers there"))
		return
	}
	original, ok := x.handler.grammar.Original(x.r)
	if !ok {
		x.refuse(fault.New(fault.NoSuchURL, "this URL shows no original and no thumbnail"))
		return
	}
	x.outcome = "purged"
	if x.r.Header.Get(purge.FromPurger) == "" { // else it is this cluster's own purge, sent to its caches
		if err := x.handler.purger.Purge(x.r.Context(), original); err != nil {
			x.refuse(err)
			return
		}
	}
	x.w.Header().Set("Cache-Control", "no-store")
	x.w.WriteHeader(http.StatusOK)
}
