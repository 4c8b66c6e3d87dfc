package purge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
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
		if err := c.sendPatiently(ctx, ask{method: "PURGE", at: "http://cdn/"}); err == nil || len(s.said) != 1 {
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
	c := newCDN(settings.Purge{Host: "site.example", XKey: []string{server.URL + "/a"}})
	defer c.close()
	if err := c.send(t.Context(), c.asks([]string{"File:K\u00e4se.jpg"}, nil)[0]); err == nil {
		t.Error("send took a redirect for a purge")
	}
	if want := []string{"PURGE site.example/a File:K%C3%A4se.jpg"}; !slices.Equal(seen, want) {
		t.Errorf("sent %q, want %q", seen, want)
	}
}

// Fastly gets a request for each key, and Cloudflare one for all of an original. Tokens stay out of the report.
func TestAPIsOfCDNs(t *testing.T) {
	s := &site{}
	at := settings.Purge{
		URLs:       []string{"http://edge.example"},
		Fastly:     settings.Fastly{Service: "id", Token: "secret", URL: "https://api.fastly.example/"},
		Cloudflare: settings.Cloudflare{Zone: "zone", Token: "secret", URL: "https://api.cloudflare.example/v4"},
	}
	var mu sync.Mutex
	var sent []string
	s.response = func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, r.Method+" "+r.URL.EscapedPath()+" "+r.Header.Get("Fastly-Key")+r.Header.Get("Authorization")+" "+string(body))
		if err == nil && r.URL.Host == "api.cloudflare.example" {
			return answer(http.StatusNotFound), nil
		}
		return answer(http.StatusOK), err
	}
	synctest.Test(t, func(t *testing.T) {
		got := s.purge(t, at)
		said := strings.Join(sent, "; ")
		for _, want := range []string{"POST /service/id/purge/File:", "secret ", `POST /v4/zones/zone/purge_cache Bearer secret {"tags":["File:`} {
			if !strings.Contains(said, want) {
				t.Errorf("%q was not sent: %s", want, said)
			}
		}
		missed := strings.Join(got.Missed, "; ")
		if strings.Contains(missed, "secret") || !strings.Contains(missed, "check the token") || strings.Contains(missed, "Thumbor's URLs") {
			t.Errorf("missed %q", missed)
		}
	})
}

// The names below a folder come from the stored thumbnails, each once.
func TestNamesBelowAFolder(t *testing.T) {
	s := &site{stored: []string{"thumbor/a/1.jpg/x-1x0.auto", "thumbor/a/1.jpg/x-2x0.auto", "thumbor/a/b/2.jpg/x-1x0.auto", "thumbor/ab/3.jpg/x", "thumbor/c/4.jpg/x"}}
	p := s.purger(settings.Purge{}, &bytes.Buffer{})
	defer p.Close()
	for prefix, want := range map[string][]string{"a/": {"a/1.jpg", "a/b/2.jpg"}, "a": {"a/1.jpg", "a/b/2.jpg", "ab/3.jpg"}, "d/": nil} {
		if got, err := p.Under(t.Context(), prefix); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", prefix, got, err)
		}
	}
}
