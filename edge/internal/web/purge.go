package web

import (
	"net/http"

	"github.com/thumbmill/thumbmill/edge/internal/purge"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// methodPurge is the method of the requests in which MediaWiki tells its caches that a URL changed
// ($wgCdnServers).
const methodPurge = "PURGE"

// purge purges the original that a URL shows, for clients in a trusted network. It answers when the purge
// has ended. It answers 404 to a URL that this cluster does not serve, such as a page's.
func (x *exchange) purge() {
	if !x.client.Inner {
		x.refuse(fault.New(fault.Forbidden, "PURGE is for this site's own servers").Remedied("add the network of the wiki's servers to edge.trusted_proxies"))
		return
	}
	original, ok := x.handler.grammar.Original(x.r)
	if !ok {
		x.refuse(fault.New(fault.NoSuchURL, "the URL shows no original and no thumbnail: ask for the URL of a file or of its thumbnail"))
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
