package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/signature"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// obtainer stands in for the way of a request, whose tests are the system tests.
type obtainer struct {
	asked  obtain.Request
	stored thumbnail.Location
	err    error
}

func (o *obtainer) Obtain(_ context.Context, r obtain.Request) (obtain.Thumb, error) {
	o.asked = r
	return obtain.Thumb{Image: []byte("picture"), Source: obtain.Rendered, Meta: objectstore.Meta{ContentType: "image/png", ETag: "e"}}, o.err
}

func (o *obtainer) Original(_ context.Context, at thumbnail.Location) (obtain.Thumb, error) {
	o.stored = at
	return obtain.Thumb{Image: []byte("<svg/>"), Source: obtain.Original, Meta: objectstore.Meta{ETag: "o"}}, o.err
}

func ask(t *testing.T, o *obtainer, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	s := settings.Default()
	s.Edge.AllowUnsafe = true
	s.Edge.TrustedProxies = []string{"192.0.2.1"} // httptest's client
	s.Store.PrivateContainers = []string{"wikipedia-office-local-public"}
	s.Store.PrivateSecret = "secret"
	h, err := New(s, o, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestFaultsBecomeStatuses(t *testing.T) {
	named := fault.New(fault.Throttled, "Too many (throttle per-ip)")
	named.Throttle, named.RetryAfterSeconds = "per-ip", 7
	for name, c := range map[string]struct {
		err               error
		status            int
		cache, retryAfter string
	}{
		"absent":      {fault.New(fault.Absent, "no such original"), 404, "public, max-age=600", ""},
		"throttled":   {named, 429, "no-store", "7"},
		"undecodable": {fmt.Errorf("wrapped: %w", fault.New(fault.Undecodable, "damaged")), 422, "no-store", ""},
		"a defect":    {errors.New("/srv/secret exploded"), 500, "no-store", ""},
		"deadline":    {context.DeadlineExceeded, 504, "no-store", "10"},
	} {
		w := ask(t, &obtainer{err: c.err}, "/unsafe/100x/a.png")
		if w.Code != c.status || w.Header().Get("Cache-Control") != c.cache || w.Header().Get("Retry-After") != c.retryAfter {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if strings.Contains(w.Body.String(), "/srv/secret") || w.Body.Len() < 5 {
			t.Errorf("%s: says %q", name, w.Body)
		}
	}
	if w := ask(t, &obtainer{err: named}, "/unsafe/100x/a.png"); w.Header().Get("Thumbmill-Throttle") != "per-ip" {
		t.Errorf("throttle %v", w.Header())
	}
}

// A signature is over the path as it was sent, well encoded or not.
func TestSignaturesAreOverTheRawPath(t *testing.T) {
	s := settings.Default()
	s.Edge.SecurityKey = "key"
	h, err := New(s, &obtainer{}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	defer server.Close()
	for _, path := range []string{"330x/filters:quality(80)/Caf%C3%A9.jpg", "330x/filters:quality(80)/Café|\"^.jpg", "330x/filters%3Aquality%2880%29/a%2Fb.jpg"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"", "http://thumbs.example"} {
			fmt.Fprintf(conn, "GET %s/%s/%s?query=1 HTTP/1.1\r\nHost: x\r\n\r\n", form, signature.Sign("key", path), path)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			if response.StatusCode != 200 {
				t.Errorf("%s%s: %s", form, path, response.Status)
			}
			_ = response.Body.Close()
		}
		_ = conn.Close()
	}
}

func TestRequestIDs(t *testing.T) {
	for name, c := range map[string]struct {
		told string
		kept bool
	}{
		"a proxy's":   {"abc-123", true},
		"none":        {"", false},
		"too long":    {strings.Repeat("x", 65), false},
		"unprintable": {"a b", false},
	} {
		o := &obtainer{}
		w := ask(t, o, "/unsafe/100x/a.png", "X-Request-Id", c.told)
		id := w.Header().Get("X-Request-Id")
		if id == "" || id != o.asked.ID || (id == c.told) != c.kept {
			t.Errorf("%s: answered %q, asked with %q", name, id, o.asked.ID)
		}
	}
}

func TestPrivateContainers(t *testing.T) {
	const path = "/wikipedia/office/thumb/a/ab/A.png/100px-A.png"
	for secret, status := range map[string]int{"": 401, "wrong": 401, "secret": 200} {
		w := ask(t, &obtainer{}, path, "X-Swift-Secret", secret)
		if w.Code != status {
			t.Errorf("secret %q: %d", secret, w.Code)
		}
		if status == 401 && w.Header().Get("Www-Authenticate") == "" {
			t.Errorf("a 401 that does not say how: %v", w.Header())
		}
		if status == 200 && w.Header().Get("Cache-Control") != "private, no-store" {
			t.Errorf("a shared cache may keep it: %v", w.Header())
		}
	}
}

func TestHeadersHoldNoForeignLines(t *testing.T) {
	w := ask(t, &obtainer{}, "/unsafe/filters:na%09me(1):b(2)/K%C3%A4%22se%0D.png")
	for name, values := range w.Header() {
		if strings.ContainsAny(strings.Join(values, ""), "\r\n\t") {
			t.Errorf("%s: %q", name, values)
		}
	}
	w = ask(t, &obtainer{}, "/unsafe/filters:na%09me(1):b(2)/K%C3%A4%22se.png")
	if w.Code != 200 || w.Header().Get("Thumbmill-Skipped-Filters") != "na?me, b" ||
		w.Header().Get("Content-Disposition") != "inline;filename*=UTF-8''K%C3%A4%22se.png" || w.Header().Get("Xkey") != "File:K%C3%A4\"se.png" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

func TestHealth(t *testing.T) {
	if w := ask(t, nil, "/healthcheck"); w.Code != 200 || w.Body.String() != "WORKING" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestOriginalsAreServedAsTheyAre(t *testing.T) {
	o := &obtainer{}
	w := ask(t, o, "/wikipedia/en/a/ab/Drawing.svg?download")
	if w.Code != http.StatusOK || o.stored != (thumbnail.Location{Container: "wikipedia-en-local-public", Path: "a/ab/Drawing.svg"}) {
		t.Fatalf("%d, asked for %v", w.Code, o.stored)
	}
	for name, want := range map[string]string{
		"Content-Type": "image/svg+xml", "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
		"X-Content-Type-Options": "nosniff", "Content-Disposition": "attachment;filename*=UTF-8''Drawing.svg",
		"Thumbor-Wikimedia-Original-Path": "a/ab/Drawing.svg", "Access-Control-Allow-Origin": "*",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if w := ask(t, &obtainer{}, "/wikipedia/office/a/ab/Drawing.svg"); w.Code != http.StatusUnauthorized {
		t.Errorf("a private original: %d", w.Code)
	}
}

func TestWikimediasHeaders(t *testing.T) {
	w := ask(t, &obtainer{}, "/wikipedia/en/thumb/a/ab/A.png/100px-A.png")
	for name, want := range map[string]string{
		"Xkey": "File:A.png", "Content-Disposition": "inline;filename*=UTF-8''A.png",
		"Thumbor-Wikimedia-Original-Container": "wikipedia-en-local-public", "Thumbor-Wikimedia-Original-Path": "a/ab/A.png",
		"Thumbor-Wikimedia-Thumbnail-Container": "wikipedia-en-local-thumb", "Thumbor-Wikimedia-Thumbnail-Path": "a/ab/A.png/100px-A.png",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestMaxAgeAndVary(t *testing.T) {
	w := ask(t, &obtainer{}, "/unsafe/filters:max_age(60)/a.jpg")
	if got := w.Header().Get("Cache-Control"); got != "public, max-age=60" {
		t.Error(got)
	}
	if got := w.Header().Get("Vary"); got != "" {
		t.Errorf("nothing is negotiated, and still Vary: %s", got)
	}
}

func TestOddSizesSayWhatToAskFor(t *testing.T) {
	f := fault.New(fault.OddSize, "ask for 330 pixels, at /x")
	f.Instead = "/x"
	w := ask(t, &obtainer{err: f}, "/unsafe/a.jpg")
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" || w.Header().Get("Link") != `</x>; rel="alternate"` ||
		!strings.Contains(w.Body.String(), "330 pixels") {
		t.Errorf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
}
