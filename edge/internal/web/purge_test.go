package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/thumbmill/thumbmill/edge/internal/purge"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// purger remembers the originals of its purges.
type purger struct {
	purged []string
	err    error
}

func (p *purger) Purge(_ context.Context, original string) error {
	p.purged = append(p.purged, original)
	return p.err
}

// sendPurge sends PURGE for a path from an address, with headers in pairs.
func sendPurge(t *testing.T, p *purger, from, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	s := settings.Default()
	s.Edge.TrustedProxies = []string{"192.0.2.0/24"}
	s.MediaWiki.Wikis = []settings.Wiki{{Wiki: "site/en", Prefix: "/w/images"}}
	h := handler(t, s, &obtainer{})
	h.purger = p
	r := httptest.NewRequest("PURGE", path, nil)
	r.RemoteAddr = from + ":1234"
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const inside, outside = "192.0.2.7", "198.51.100.7"

// A server of the site purges the original behind each URL of a file.
func TestPurgeByURL(t *testing.T) {
	const cat = "site-en-local-public/d/d1/Cat.jpg"
	for path, want := range map[string]string{
		"/w/images/d/d1/Cat.jpg":                                cat,
		"/w/images/d/d1/Cat.jpg?20261128141510":                 cat,
		"/w/images/thumb/d/d1/Cat.jpg/120px-Cat.jpg":            cat,
		"/w/images/thumb/d/d1/Cat.jpg/99999px-Cat.jpg":          "", // no URL of a thumbnail
		"/w/thumb.php?f=Cat.jpg&w=120":                          cat,
		"/w/images/thumb/archive/d/d1/2026!Cat.jpg/9px-Cat.jpg": "site-en-local-public/archive/d/d1/2026!Cat.jpg",
		"/unsafe/330x/a.jpg":                                    "a.jpg",
		"/w/index.php?title=File:Cat.jpg":                       "",
		"/wiki/File:Cat.jpg":                                    "",
		"/":                                                     "",
	} {
		p := &purger{}
		w := sendPurge(t, p, inside, path)
		switch {
		case want == "" && (w.Code != http.StatusNotFound || len(p.purged) > 0):
			t.Errorf("%s is no URL of a file: %d, purged %v", path, w.Code, p.purged)
		case want != "" && (w.Code != http.StatusOK || len(p.purged) != 1 || p.purged[0] != want):
			t.Errorf("%s: %d, purged %v, want %s", path, w.Code, p.purged, want)
		case want != "" && w.Header().Get("Cache-Control") != "no-store":
			t.Errorf("%s: %v", path, w.Header())
		}
	}
}

// Nobody else purges: neither a stranger, nor a visitor whose request a server of the site forwards.
func TestPurgeIsForTheSitesOwnServers(t *testing.T) {
	const path = "/w/images/d/d1/Cat.jpg"
	for name, c := range map[string]struct {
		from   string
		header []string
	}{
		"a stranger":                       {outside, nil},
		"a stranger that forges a header":  {outside, []string{"X-Forwarded-For", inside}},
		"a stranger that forges the guard": {outside, []string{purge.FromPurger, "1"}},
		"a visitor behind nginx":           {inside, []string{"X-Forwarded-For", outside}},
		"an inner visitor behind nginx":    {inside, []string{"X-Forwarded-For", inside}},
		"a visitor behind Varnish":         {inside, []string{"Via", "1.1 varnish"}},
		"a visitor behind another proxy":   {inside, []string{"Forwarded", "for=" + outside}},
	} {
		p := &purger{}
		if w := sendPurge(t, p, c.from, path, c.header...); w.Code != http.StatusForbidden || len(p.purged) > 0 {
			t.Errorf("%s: %d, purged %v", name, w.Code, p.purged)
		}
	}
}

// A purge sends PURGE to caches, and an edge can be behind one of them: the edge answers, and does not purge again.
func TestAPurgeDoesNotComeRound(t *testing.T) {
	p := &purger{}
	if w := sendPurge(t, p, inside, "/w/images/d/d1/Cat.jpg", purge.FromPurger, "1"); w.Code != http.StatusOK || len(p.purged) > 0 {
		t.Errorf("%d, purged %v", w.Code, p.purged)
	}
}

func TestAPurgeThatFails(t *testing.T) {
	p := &purger{err: fault.New(fault.OriginalStore, "the store does not answer")}
	if w := sendPurge(t, p, inside, "/w/images/d/d1/Cat.jpg"); w.Code < 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
