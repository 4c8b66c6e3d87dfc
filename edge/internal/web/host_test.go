package web

import (
	"net/http/httptest"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/value"
)

// An edge that serves its own machine alone answers to names of that machine; with edge.hosts, every edge
// answers to the listed names.
func TestHosts(t *testing.T) {
	for _, c := range []struct {
		hosts    []string
		key      value.Secret
		address  string
		host     string
		answered bool
	}{
		{nil, "", "127.0.0.1:5000", "localhost:8888", true},
		{nil, "", "127.0.0.1:5000", "127.0.0.1:8888", true},
		{nil, "", "[::1]:5000", "[::1]:8888", true},
		{nil, "", "127.0.0.1:5000", "thumbs.localhost", true},
		{nil, "", "127.0.0.1:5000", "rebound.example:8888", false},
		{nil, "", "127.0.0.1:5000", "localhost.example", false},
		{nil, "a key of the site", "127.0.0.1:5000", "rebound.example", true}, // a signature opens it, not the machine
		{[]string{"Thumbs.example", "*.site.example"}, "", "198.51.100.1:5000", "thumbs.example.:443", true},
		{[]string{"thumbs.example", "*.site.example"}, "", "198.51.100.1:5000", "a.b.site.example", true},
		{[]string{"thumbs.example", "*.site.example"}, "", "198.51.100.1:5000", "site.example", false},
		{[]string{"thumbs.example"}, "", "127.0.0.1:5000", "localhost", false},
		{[]string{"thumbs.example"}, "", "127.0.0.1:5000", "thumbs.example", true},
	} {
		s := settings.Default()
		s.Edge.Hosts, s.Edge.SecurityKey = c.hosts, c.key
		r := httptest.NewRequest("GET", "/wikipedia/commons/thumb/a/ab/A.png/100px-A.png", nil)
		r.RemoteAddr, r.Host = c.address, c.host
		w := httptest.NewRecorder()
		handler(t, s, &obtainer{}).ServeHTTP(w, r)
		if want := map[bool]int{true: 200, false: 421}[c.answered]; w.Code != want {
			t.Errorf("%s from %s with edge.hosts %q: %d, want %d", c.host, c.address, c.hosts, w.Code, want)
		}
	}
}
