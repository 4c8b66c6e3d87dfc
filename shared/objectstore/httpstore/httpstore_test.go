package httpstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const limit = 1 << 20

func newStore(t *testing.T, b storeconfig.Bucket) *Store {
	t.Helper()
	b.Kind = "http"
	s, err := New(b, limit, 0, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// site starts a server on loopback, and returns a store that may read from it.
func site(t *testing.T, h http.HandlerFunc) (*Store, string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	u, _ := url.Parse(server.URL)
	return newStore(t, storeconfig.Bucket{Hosts: []string{u.Host}, Allow: []string{"127.0.0.0/8"}}), server.URL
}

func at(name string) thumbnail.Location { return thumbnail.Location{Path: name} }

func read(t *testing.T, s *Store, name string) (string, objectstore.Info, error) {
	t.Helper()
	object, info, err := s.Open(t.Context(), at(name))
	if err != nil {
		return "", info, err
	}
	defer func() { _ = object.Close() }()
	body, err := io.ReadAll(object)
	return string(body), info, err
}

func TestReadsAnotherSite(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	s, base := site(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"v1"`)
		http.ServeContent(w, r, "a.jpg", time.Unix(1, 0), strings.NewReader(content))
	})
	body, info, err := read(t, s, base+"/a.jpg?size=full")
	if err != nil || body != content || info.Size != int64(len(content)) || info.Version != `"v1"` || info.Modified.Unix() != 1 {
		t.Fatalf("%d bytes, %+v, %v", len(body), info, err)
	}
	head, err := s.Head(t.Context(), at(base+"/a.jpg"))
	if err != nil || head.Version != info.Version || head.Size != info.Size {
		t.Errorf("head differs from open: %+v, %v", head, err)
	}
	object, _, err := s.Open(t.Context(), at(base+"/a.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = object.Close() }()
	if _, err := object.Seek(9_995, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(object); string(rest) != "56789" || err != nil {
		t.Errorf("from the middle: %q, %v", rest, err)
	}
}

func TestAnswersThatAreNoOriginals(t *testing.T) {
	s, base := site(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/gone":
			w.WriteHeader(http.StatusGone)
		case "/forbidden":
			w.WriteHeader(http.StatusForbidden)
		case "/broken":
			w.WriteHeader(http.StatusBadGateway)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/short":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "short")
		case "/endless":
			for range 64 {
				_, _ = w.Write(make([]byte, limit/16))
			}
		case "/only-get":
			if r.Method != http.MethodGet {
				w.WriteHeader(http.StatusForbidden)
			}
			_, _ = io.WriteString(w, "picture")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	for path, want := range map[string]error{
		"/absent": objectstore.ErrNotFound, "/gone": objectstore.ErrNotFound, "/loop": objectstore.ErrRefused,
		"/forbidden": objectstore.ErrElsewhere, "/broken": objectstore.ErrElsewhere, "/short": io.ErrUnexpectedEOF,
	} {
		if _, _, err := read(t, s, base+path); !errors.Is(err, want) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, info, err := read(t, s, base+"/endless"); err != nil || info.Size != limit+1 {
		t.Errorf("a body without a length: %d bytes, %v", info.Size, err)
	}
	if info, err := s.Head(t.Context(), at(base+"/only-get")); err != nil || info.Size != 7 || info.Version != "" {
		t.Errorf("a server without HEAD: %+v, %v", info, err)
	}
}

// A read that is resumed continues the same version, or fails.
func TestChangedUnderWay(t *testing.T) {
	var asked atomic.Int32
	s, base := site(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", fmt.Sprintf(`"v%d"`, asked.Add(1)))
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
	})
	object, _, err := s.Open(t.Context(), at(base+"/a"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = object.Close() }()
	_, _ = object.Seek(5, io.SeekStart)
	if _, err := io.ReadAll(object); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("a mixture of two versions: %v", err)
	}
}

// The store avoids a dead host for a while, and still reads from other hosts.
func TestDeadHosts(t *testing.T) {
	var asked atomic.Int32
	dead := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer dead.Close()
	alive := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") }))
	defer alive.Close()
	host := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	s := newStore(t, storeconfig.Bucket{Hosts: []string{host(dead), host(alive)}, Allow: []string{"127.0.0.0/8"}})
	for range 50 {
		if _, err := s.Head(t.Context(), at(dead.URL+"/a")); !errors.Is(err, objectstore.ErrElsewhere) {
			t.Fatal(err)
		}
	}
	if n := asked.Load(); n != tripsAfter {
		t.Errorf("a dead host got %d requests", n)
	}
	if _, err := s.Head(t.Context(), at(alive.URL+"/a")); err != nil {
		t.Errorf("another host: %v", err)
	}
}

func TestBelowAnEndpoint(t *testing.T) {
	var got string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI }))
	defer server.Close()
	s := newStore(t, storeconfig.Bucket{Endpoint: server.URL + "/media/", Allow: []string{"127.0.0.1"}})
	if _, err := s.Head(t.Context(), thumbnail.Location{Container: "wiki", Path: "a/K ä?#%2f.jpg"}); err != nil || got != "/media/wiki/a/K%20%C3%A4%3F%23%252f.jpg" {
		t.Errorf("requested %s, %v", got, err)
	}
	got = ""
	for _, bad := range []string{"../secret", "a/../../b", "/etc/passwd", "a//b", "http://elsewhere.example/a", ".", "a/./b"} {
		if _, err := s.Head(t.Context(), at(bad)); !objectstore.IsAnswer(err) || got != "" {
			t.Errorf("%q: requested %s, %v", bad, got, err)
		}
	}
}

func TestHosts(t *testing.T) {
	h := newHosts([]string{"Example.com", "*.wiki.example", "other.example:8080"}, "")
	for text, allowed := range map[string]bool{
		"http://example.com/a": true, "https://EXAMPLE.com./a": true, "https://example.com:443/": true, "http://example.com:80/": true,
		"http://example.com:22/": false, "http://example.com:443/": false, "http://www.example.com/": false, "http://example.com.evil.example/": false,
		"http://a.wiki.example/": true, "http://wiki.example/": false, "http://evilwiki.example/": false,
		"http://other.example:8080/": true, "http://other.example/": false, "ftp://example.com/": false, "http://user@example.com/": false,
		"http://[::1]/": false,
	} {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.check(u); (err == nil) != allowed || err != nil && !errors.Is(err, objectstore.ErrRefused) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCanonical(t *testing.T) {
	for text, want := range map[string]string{
		"HTTP://Example.COM:80/a b.jpg#x": "http://example.com/a%20b.jpg", "https:/example.com/a": "https://example.com/a",
		"https://example.com": "https://example.com/", "https://example.com:8443/ä?q=1": "https://example.com:8443/%C3%A4?q=1",
		"https:///example.com/a": "https://example.com/a", "http://example.com.:80/a%2Fb": "http://example.com/a%2Fb", "http://example.com:/": "http://example.com/",
		"http://example.com/a/../b": "", "http://example.com/%2e%2e/b": "", "http://example.com/./b": "", "http://[::1]:8080/a": "http://[::1]:8080/a",
		"ftp://example.com/": "", "http://": "", "http://u:p@example.com/": "", "file:///etc/passwd": "", "http:example.com": "",
		"http://[::1": "", "https://e.example/" + strings.Repeat("x", maxURL): "", "http://exa\nmple.com/": "", "gopher://x/": "",
	} {
		if got, err := Canonical(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func FuzzCanonical(f *testing.F) {
	f.Add("https://example.com/a.jpg?b=c#d")
	f.Add("HTTP:/[::1]:80/%2e%2e/")
	f.Fuzz(func(t *testing.T, text string) {
		once, err := Canonical(text)
		if err != nil {
			return
		}
		if twice, err := Canonical(once); err != nil || twice != once {
			t.Errorf("%q becomes %q, then %q, %v", text, once, twice, err)
		}
	})
}

// through returns a store that may read from any host, and resolves names with the given server.
func through(t *testing.T, dns string) *Store {
	t.Helper()
	s := newStore(t, storeconfig.Bucket{Hosts: []string{"*", "*:8080", "*:22"}})
	s.dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, dns)
	}}
	return s
}
