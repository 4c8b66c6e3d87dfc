package purge

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// fails answers the first requests with the status, or with an error for status 0. It answers later
// requests with 200.
func fails(times, status int) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		if times--; times >= 0 && status == 0 {
			return nil, errors.New("connection refused")
		} else if times >= 0 {
			return answer(status), nil
		}
		return answer(http.StatusOK), nil
	}
}

func TestTheCDNIsAskedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		response func(*http.Request) (*http.Response, error)
		asked    int
		missed   string // "": nothing
	}{
		"200":                     {fails(0, 0), 1, ""},
		"404":                     {fails(9, http.StatusNotFound), 1, ""},
		"one 503":                 {fails(1, http.StatusServiceUnavailable), 2, ""},
		"two broken connections":  {fails(2, 0), 3, ""},
		"503 each time":           {fails(9, http.StatusServiceUnavailable), cdnAttempts, "the answer is Service Unavailable"},
		"only broken connections": {fails(9, 0), cdnAttempts, "connection refused"},
		"redirects purge nothing": {fails(9, http.StatusFound), cdnAttempts, "the answer is Found"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{response: c.response}
				got := s.purge(t, settings.Purge{XKey: []string{"http://user:password@cdn/"}})
				asked := 0
				for _, said := range s.said {
					if strings.HasPrefix(said, "PURGE") {
						asked++
					}
				}
				if asked != c.asked || (got.CDN == 1) != (c.missed == "") {
					t.Errorf("asked %d times, want %d: %+v", asked, c.asked, got)
				}
				if missed := strings.Join(got.Missed, "; "); (missed == "") != (c.missed == "") || !strings.Contains(missed, c.missed) || strings.Contains(missed, "password") {
					t.Errorf("missed %q, want %q", missed, c.missed)
				}
			})
		})
	}
}

// A client that leaves ends the attempts at the CDN.
func TestTheCDNIsNotAskedAgainAfterTheClientLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		s := &site{response: func(*http.Request) (*http.Response, error) {
			leave()
			return answer(http.StatusServiceUnavailable), nil
		}}
		c := newCDN(settings.Purge{})
		c.client.Transport = s
		if err := c.sendPatiently(ctx, "http://cdn/", "", ""); err == nil || len(s.said) != 1 {
			t.Errorf("asked %d times: %v", len(s.said), err)
		}
	})
}

// Without purge.xkey the purge misses Thumbor's URLs, because keys in the store do not tell them.
func TestURLsAloneAreNotComplete(t *testing.T) {
	got := (&site{}).purge(t, settings.Purge{URLs: []string{"http://varnish"}})
	if got.CDN != 1 || len(got.Missed) != 1 || !strings.Contains(got.Missed[0], "purge.xkey") {
		t.Errorf("reports %+v", got)
	}
}

func TestAnEndpointThatIsNoURL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := (&site{}).purge(t, settings.Purge{XKey: []string{"http://cdn:x:y/\x7f"}})
		if got.CDN != 0 || len(got.Missed) != 1 || !strings.HasPrefix(got.Missed[0], "CDN: an endpoint: ") {
			t.Errorf("reports %+v", got)
		}
	})
}

// The CDN gets the host of purge.host. send does not follow redirects.
func TestTheRequest(t *testing.T) {
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Method+" "+r.Host+r.URL.Path+" "+r.Header.Get("Xkey"))
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer server.Close()
	c := newCDN(settings.Purge{Host: "site.example"})
	defer c.close()
	if err := c.send(t.Context(), server.URL+"/a", "site.example", "File:K%C3%A4se.jpg"); err == nil {
		t.Error("send took a redirect for a purge")
	}
	if want := []string{"PURGE site.example/a File:K%C3%A4se.jpg"}; !slices.Equal(seen, want) {
		t.Errorf("sent %q, want %q", seen, want)
	}
}
