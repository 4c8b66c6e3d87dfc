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

// fails answers so many requests with an error or a status, and then well.
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
		missed   string // "" = nothing
	}{
		"it answers":                      {fails(0, 0), 1, ""},
		"it had none":                     {fails(9, http.StatusNotFound), 1, ""},
		"it fails once":                   {fails(1, http.StatusServiceUnavailable), 2, ""},
		"it cannot be reached twice":      {fails(2, 0), 3, ""},
		"it fails each time":              {fails(9, http.StatusServiceUnavailable), cdnAttempts, "it answers Service Unavailable"},
		"it cannot be reached":            {fails(9, 0), cdnAttempts, "connection refused"},
		"it redirects, which purges none": {fails(9, http.StatusFound), cdnAttempts, "it answers Found"},
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

// One that asks for a purge and leaves does not wait for the CDN.
func TestTheCDNIsNotAskedAgainForOneThatLeft(t *testing.T) {
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

// Without a key, what Thumbor's grammar names cannot be reached by its URLs.
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

// The request as a real server sees it: a redirect is not followed, and the host is the one
// under which the CDN keeps what it has.
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
		t.Error("a redirect counts as an answer")
	}
	if want := []string{"PURGE site.example/a File:K%C3%A4se.jpg"}; !slices.Equal(seen, want) {
		t.Errorf("sent %q, want %q", seen, want)
	}
}
