package web

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/refusals"
	"github.com/thumbmill/thumbmill/edge/internal/signature"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// obtainer stands in for package obtain. The system tests test both together.
type obtainer struct {
	asked  obtain.Request
	stored thumbnail.Location
	err    error
	own    int // the original's own width
	unsure bool

	contentType string
}

func (o *obtainer) AtHand(context.Context, target.Target) (obtain.Thumb, bool) {
	return obtain.Thumb{}, false
}

func (o *obtainer) RefuseAtOnce(obtain.Request) error { return nil }

func (o *obtainer) Obtain(_ context.Context, r obtain.Request) (obtain.Thumb, error) {
	o.asked = r
	if r.Target.Odd != nil && r.Target.Spec.Width != o.own {
		return obtain.Thumb{}, fault.New(fault.OddSize, "not its own width")
	}
	return obtain.Thumb{Image: []byte("picture"), Source: obtain.Rendered, Unsure: o.unsure, Meta: objectstore.Meta{ContentType: o.contentType, ETag: "e"}}, o.err
}

func (o *obtainer) Original(_ context.Context, at thumbnail.Location) (obtain.Thumb, error) {
	o.stored = at
	return obtain.Thumb{Image: []byte("<svg/>"), Source: obtain.Original, Meta: objectstore.Meta{ETag: "o"}}, o.err
}

// nobody exempts and blocks no client.
type nobody struct{}

func (nobody) Exempt(netip.Addr) bool  { return false }
func (nobody) Blocked(netip.Addr) bool { return false }

func handler(t *testing.T, s settings.Settings, o *obtainer) *Handler {
	return logging(t, s, o, slog.New(slog.DiscardHandler))
}

func handlerWith(t *testing.T, s settings.Settings, o Obtainer) *Handler {
	return logging(t, s, o, slog.New(slog.DiscardHandler))
}

func logging(t testing.TB, s settings.Settings, o Obtainer, log *slog.Logger) *Handler {
	t.Helper()
	g, err := grammar.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	clients, err := clientaddr.New(s.Edge.TrustedProxies, s.Throttle.Exempt, nobody{})
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{
		Settings: s, Grammar: g, Obtainer: o, Clients: clients, Tracer: tracing.None(), Refusals: refusals.New(log), Log: log, Metrics: prometheus.NewRegistry(),
	})
}

func get(t *testing.T, o *obtainer, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	s := settings.Default()
	s.Edge.AllowUnsafe = true
	s.Edge.TrustedProxies = []string{"192.0.2.1"} // httptest's client
	s.Store.PrivateContainers = []string{"wikipedia-office-local-public"}
	s.Store.PrivateSecret = "secret"
	h := handler(t, s, o)
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A visitor reads the error in the request; the log names the setting for the operator.
func TestTheLogHasTheRemedy(t *testing.T) {
	var log strings.Builder
	s := settings.Default()
	s.Edge.SecurityKey = "key"
	h := logging(t, s, &obtainer{}, slog.New(slog.NewTextHandler(&log, nil)))
	for range 3 {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/unsafe/100x/a.png", nil))
		if text := w.Body.String(); w.Code != 403 || strings.Contains(text, "edge.") {
			t.Errorf("%d %q", w.Code, text)
		}
	}
	if text := log.String(); strings.Count(text, "refuse requests") != 1 || !strings.Contains(text, "edge.allow_unsafe") {
		t.Errorf("the log has %q", text)
	}
}

func TestFaultsBecomeStatuses(t *testing.T) {
	named := fault.New(fault.Throttled, "Too many")
	named.Throttle, named.RetryAfterSeconds = "per-ip", 7
	for name, c := range map[string]struct {
		err        error
		status     int
		cache      string
		retryAfter int // seconds; the answer has one to one and a half times as many
	}{
		"absent":      {fault.New(fault.Absent, "no such original"), 404, "public, max-age=600", 0},
		"throttled":   {named, 429, "no-store", 7},
		"undecodable": {fmt.Errorf("wrapped: %w", fault.New(fault.Undecodable, "damaged")), 422, "no-store", 0},
		"a defect":    {errors.New("/srv/secret exploded"), 500, "no-store", 0},
		"deadline":    {context.DeadlineExceeded, 504, "no-store", 10},
	} {
		w := get(t, &obtainer{err: c.err}, "/unsafe/100x/a.png")
		after, _ := strconv.Atoi(w.Header().Get("Retry-After"))
		if w.Code != c.status || w.Header().Get("Cache-Control") != c.cache || after < c.retryAfter || after > c.retryAfter*3/2+1 {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if strings.Contains(w.Body.String(), "/srv/secret") || w.Body.Len() < 5 {
			t.Errorf("%s: body %q", name, w.Body)
		}
	}
	if w := get(t, &obtainer{err: named}, "/unsafe/100x/a.png"); w.Header().Get("Thumbmill-Throttle") != "per-ip" {
		t.Errorf("throttle %v", w.Header())
	}
}

// A signature covers the path as the client sent it, in any encoding.
func TestSignaturesAreOverTheRawPath(t *testing.T) {
	s := settings.Default()
	s.Edge.SecurityKey = "key"
	h := handler(t, s, &obtainer{})
	server := httptest.NewServer(h)
	defer server.Close()
	for _, path := range []string{"330x/filters:quality(80)/Caf%C3%A9.jpg", "330x/filters:quality(80)/Café|\"^.jpg", "330x/filters%3Aquality%2880%29/a%2Fb.jpg"} {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range []string{"", "http://thumbs.example"} {
			fmt.Fprintf(conn, "GET %s/%s/%s?query=1 HTTP/1.1\r\nHost: x\r\n\r\n", form, signature.Key{Secret: "key"}.Sign(path), path)
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

// The log names a proxy outside edge.trusted_proxies once.
func TestAProxyThatIsNotTrusted(t *testing.T) {
	var told bytes.Buffer
	h := handler(t, settings.Default(), &obtainer{})
	h.log = slog.New(slog.NewTextHandler(&told, nil))
	for _, forwarded := range []string{"", "198.51.100.7", "198.51.100.8"} {
		r := httptest.NewRequest("GET", "/unsafe/100x/a.png", nil)
		r.Header.Set("X-Forwarded-For", forwarded)
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if strings.Count(told.String(), "edge.trusted_proxies") != 1 || !strings.Contains(told.String(), "192.0.2.1") {
		t.Error(told.String())
	}
}

func TestRequestIDs(t *testing.T) {
	for name, c := range map[string]struct {
		told string
		kept bool
	}{
		"a proxy's id": {"abc-123", true},
		"none":         {"", false},
		"too long":     {strings.Repeat("x", 65), false},
		"unprintable":  {"a b", false},
	} {
		o := &obtainer{}
		w := get(t, o, "/unsafe/100x/a.png", "X-Request-Id", c.told)
		id := w.Header().Get("X-Request-Id")
		if id == "" || id != o.asked.ID || (id == c.told) != c.kept {
			t.Errorf("%s: X-Request-Id %q, the obtainer got %q", name, id, o.asked.ID)
		}
	}
}

func TestPrivateContainers(t *testing.T) {
	const path = "/wikipedia/office/thumb/a/ab/A.png/100px-A.png"
	for secret, status := range map[string]int{"": 401, "wrong": 401, "secret": 200} {
		w := get(t, &obtainer{}, path, "X-Swift-Secret", secret)
		if w.Code != status {
			t.Errorf("secret %q: %d", secret, w.Code)
		}
		if status == 401 && w.Header().Get("Www-Authenticate") == "" {
			t.Errorf("a 401 without Www-Authenticate: %v", w.Header())
		}
		if status == 200 && w.Header().Get("Cache-Control") != "private, no-store" {
			t.Errorf("a shared cache may keep a private thumbnail: %v", w.Header())
		}
	}
}

func TestHeadersHoldNoForeignLines(t *testing.T) {
	w := get(t, &obtainer{}, "/unsafe/filters:na%09me(1):b(2)/K%C3%A4%22se%0D.png")
	for name, values := range w.Header() {
		if strings.ContainsAny(strings.Join(values, ""), "\r\n\t") {
			t.Errorf("%s: %q", name, values)
		}
	}
	w = get(t, &obtainer{}, "/unsafe/filters:na%09me(1):b(2)/K%C3%A4%22se.png")
	if w.Code != 200 || w.Header().Get("Thumbmill-Skipped-Filters") != "na?me, b" ||
		w.Header().Get("Content-Disposition") != "inline;filename*=UTF-8''K%C3%A4%22se.png" || w.Header().Get("Xkey") != "File:K%C3%A4\"se.png" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
}

// An answer of thumb.php names the parameters that change nothing.
func TestIgnoredParameters(t *testing.T) {
	for query, want := range map[string]string{
		"f=Book.pdf&w=100&page=2":          "",
		"f=Book.pdf&w=100&page=x&lossy=1":  "lossy, page",
		"f=Film.webm&w=100&thumbtime=1:30": "",
		"f=Cat.jpg&w=100&thumb%0Dtime=3":   "thumb%0Dtime",
	} {
		w := get(t, &obtainer{}, "/wikipedia/en/thumb.php?"+query)
		if got := w.Header().Get("Thumbmill-Ignored-Parameters"); w.Code != http.StatusOK || got != want {
			t.Errorf("%s: %d, ignored %q, want %q", query, w.Code, got, want)
		}
	}
	if w := get(t, &obtainer{}, "/wikipedia/en/thumb.php?f=Film.webm&w=100&thumbtime=abc"); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "thumbtime") {
		t.Errorf("a word in place of a time: %d %s", w.Code, w.Body)
	}
}

func TestHealth(t *testing.T) {
	if w := get(t, nil, "/healthcheck"); w.Code != 200 || w.Body.String() != "WORKING" {
		t.Errorf("%d %q", w.Code, w.Body)
	}
}

func TestOriginalsAreServedAsTheyAre(t *testing.T) {
	o := &obtainer{}
	w := get(t, o, "/wikipedia/en/a/ab/Drawing.svg?download")
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
	if w := get(t, &obtainer{}, "/wikipedia/office/a/ab/Drawing.svg"); w.Code != http.StatusUnauthorized {
		t.Errorf("a private original: %d", w.Code)
	}
}

func TestWikimediasHeaders(t *testing.T) {
	w := get(t, &obtainer{}, "/wikipedia/en/thumb/a/ab/A.png/100px-A.png")
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
	w := get(t, &obtainer{}, "/unsafe/filters:max_age(60)/a.jpg")
	if got := w.Header().Get("Cache-Control"); got != "public, max-age=60, stale-while-revalidate=60, stale-if-error=86400" {
		t.Error(got)
	}
	if got := w.Header().Get("Vary"); got != "" {
		t.Errorf("Vary %q without a negotiated format", got)
	}
	e := settings.Default().Edge
	if got, want := get(t, &obtainer{unsure: true}, "/unsafe/a.jpg").Header().Get("Cache-Control"), control(e, e.Revalidate); got != want || e.Revalidate >= e.MaxAge {
		t.Errorf("while the thumbnail is not compared: %q, want %q", got, want)
	}
	soon := fmt.Sprint(time.Now().Add(5 * time.Second).UnixMilli())
	for _, unsure := range []bool{false, true} { // unsure: the store of originals does not answer
		w := get(t, &obtainer{unsure: unsure}, "/unsafe/filters:expire("+soon+")/a.jpg")
		if got := w.Header().Get("Cache-Control"); len(got) != len("public, max-age=4") {
			t.Errorf("a URL that ends in five seconds, unsure %v: %q", unsure, got)
		}
	}
}

func TestOddSizesNameAStandardSize(t *testing.T) {
	f := fault.New(fault.OddSize, "ask for 330 pixels, at /x")
	f.Instead = "/x"
	w := get(t, &obtainer{err: f}, "/unsafe/a.jpg")
	if w.Code != http.StatusBadRequest || w.Header().Get("Retry-After") != "" || w.Header().Get("Link") != `</x>; rel="alternate"` ||
		!strings.Contains(w.Body.String(), "330 pixels") {
		t.Errorf("%d %v\n%s", w.Code, w.Header(), w.Body)
	}
}

// The edge serves a width that is not standard if it is the original's own. It answers
// other widths as mediawiki.size_policy says.
func TestAnOriginalsOwnWidthPasses(t *testing.T) {
	odd, even := "/wikipedia/de/thumb/a/ab/A.png/300px-A.png", "/wikipedia/de/thumb/a/ab/A.png/330px-A.png"
	for name, c := range map[string]struct {
		policy string
		own    int // the original's own width
		status int
		header string
		width  int // of the thumbnail that is obtained last
	}{
		"refuse, its own":   {"refuse", 300, 200, "", 300},
		"refuse, another":   {"refuse", 400, 400, even, 300},
		"redirect, its own": {"redirect", 300, 200, "", 300},
		"redirect, another": {"redirect", 400, 302, even + "?20260101000000", 300},
		"round up, its own": {"round_up", 300, 200, "", 300},
		"round up, another": {"round_up", 400, 200, "", 330},
	} {
		t.Run(name, func(t *testing.T) {
			s := settings.Default()
			s.MediaWiki.SizePolicy = c.policy
			o := &obtainer{own: c.own}
			w := httptest.NewRecorder()
			handler(t, s, o).ServeHTTP(w, httptest.NewRequest("GET", odd+"?20260101000000", nil))
			if w.Code != c.status || !strings.Contains(w.Header().Get("Link")+w.Header().Get("Location"), c.header) || o.asked.Target.Spec.Width != c.width {
				t.Errorf("%d %v, %d pixels\n%s", w.Code, w.Header(), o.asked.Target.Spec.Width, w.Body)
			}
		})
	}
}

func TestRefusalsInJSON(t *testing.T) {
	f := fault.New(fault.Throttled, "Too many \"thumbnails\"")
	f.Throttle = "per-ip"
	for accept, isJSON := range map[string]bool{
		"application/json": true, "application/problem+json, */*": true, "image/avif, application/json;q=0.9, text/html": true,
		"": false, "*/*": false, "text/html, application/json": false, "application/json;q=0": false, "image/webp": false,
	} {
		w := get(t, &obtainer{err: f}, "/unsafe/100x/a.png", "Accept", accept)
		var p map[string]any
		err := json.Unmarshal(w.Body.Bytes(), &p)
		if (err == nil) != isJSON || !slices.Contains(w.Header().Values("Vary"), "Accept") {
			t.Errorf("Accept %q: %v\n%s", accept, w.Header(), w.Body)
			continue
		}
		if isJSON && (w.Header().Get("Content-Type") != "application/problem+json" || p["type"] != "urn:thumbmill:fault:throttled" ||
			p["status"] != 429.0 || p["detail"] != f.Message || p["throttle"] != "per-ip" || p["retry_after"] != w.Header().Get("Retry-After") || p["instance"] != w.Header().Get("X-Request-Id")) {
			t.Errorf("Accept %q: %v", accept, p)
		}
	}
}

func TestSharing(t *testing.T) {
	w := get(t, &obtainer{}, "/unsafe/100x/a.png", "Origin", "https://site.example")
	if w.Header().Get("Access-Control-Allow-Origin") != "*" || w.Header().Get("Timing-Allow-Origin") != "*" {
		t.Errorf("public: %v", w.Header())
	}
	w = get(t, &obtainer{}, "/wikipedia/office/thumb/a/ab/A.png/100px-A.png", "X-Swift-Secret", "secret")
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "" || w.Header().Get("Timing-Allow-Origin") != "" {
		t.Errorf("private: %d %v", w.Code, w.Header())
	}
	s := settings.Default()
	s.Edge.AllowUnsafe, s.Edge.CORS = true, []string{"https://site.example"}
	h := handler(t, s, &obtainer{})
	for origin, want := range map[string]string{"https://site.example": "https://site.example", "https://other.example": "", "": ""} {
		r := httptest.NewRequest(http.MethodOptions, "/unsafe/100x/a.png", nil)
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 204 || w.Header().Get("Access-Control-Allow-Origin") != want || w.Header().Get("Vary") != "Origin" || (w.Header().Get("Access-Control-Allow-Methods") == "") != (want == "") {
			t.Errorf("preflight from %q: %d %v", origin, w.Code, w.Header())
		}
	}
}

// An answer that could be a script has a policy that runs no scripts.
func TestPolicies(t *testing.T) {
	for contentType, confined := range map[string]bool{"image/png": false, "image/webp": false, "image/svg+xml": true, "application/json": true, "text/html": true, "": true} {
		w := get(t, &obtainer{contentType: contentType}, "/unsafe/100x/a.png")
		if (w.Header().Get("Content-Security-Policy") != "") != confined || w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%q: %v", contentType, w.Header())
		}
	}
}

func TestConditionsAndRanges(t *testing.T) {
	for name, c := range map[string]struct {
		header []string
		status int
		body   string
	}{
		"not changed":                 {[]string{"If-None-Match", `"e"`}, 304, ""},
		"changed":                     {[]string{"If-None-Match", `"f"`}, 200, "picture"},
		"range":                       {[]string{"Range", "bytes=0-2"}, 206, "pic"},
		"suffix":                      {[]string{"Range", "bytes=-3"}, 206, "ure"},
		"not satisfiable":             {[]string{"Range", "bytes=99-"}, 416, "invalid range: failed to overlap\n"},
		"many ranges":                 {[]string{"Range", "bytes=0-0,1-1,2-2,3-3,4-4,5-5,6-6"}, 200, "picture"},
		"range of this version":       {[]string{"Range", "bytes=0-2", "If-Range", `"e"`}, 206, "pic"},
		"range of another version":    {[]string{"Range", "bytes=0-2", "If-Range", `"f"`}, 200, "picture"},
		"another version by If-Match": {[]string{"If-Match", `"f"`}, 412, ""},
	} {
		w := get(t, &obtainer{}, "/unsafe/100x/a.png", c.header...)
		if w.Code != c.status || w.Body.String() != c.body || (w.Header().Get("Etag") != `"e"`) != (c.status == 416) {
			t.Errorf("%s: %d %q %v", name, w.Code, w.Body, w.Header())
		}
	}
}

// The edge refuses a URL from its end on, and no cache keeps the answer beyond the end.
func TestURLsThatExpire(t *testing.T) {
	s := settings.Default()
	s.Edge.SecurityKeys = []settings.SecurityKey{{Name: "2026-11", Key: "new", Algorithm: "sha256"}, {Name: "2025-11", Key: "old"}}
	h := handler(t, s, &obtainer{})
	for after, want := range map[time.Duration]string{
		-time.Second: "", 0: "", 90 * time.Second: "public, max-age=89", 1000 * time.Hour: "public, max-age=86400, stale-while-revalidate=60, stale-if-error=86400",
	} {
		path := fmt.Sprintf("330x/filters:expire(%d)/a.jpg", time.Now().Add(after).UnixMilli())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/"+signature.Key{Secret: "new", Algorithm: "sha256"}.Sign(path)+"/"+path, nil))
		status := 200
		if want == "" {
			status, want = 410, "public, max-age=600"
		}
		if got := w.Header().Get("Cache-Control"); w.Code != status || got != want && got != strings.ReplaceAll(want, "89", "88") {
			t.Errorf("%v: %d, %q: %s", after, w.Code, got, w.Body)
		}
	}
	for key, want := range map[string]float64{"2026-11": 4, "2025-11": 0} {
		if got := testutil.ToFloat64(h.metrics.keys.WithLabelValues("thumbor", key)); got != want {
			t.Errorf("%s: %v requests, want %v", key, got, want)
		}
	}
}

// half is an obtainer without the original a.png and with the fallback none.png; busy refuses every render.
type half struct {
	busy    bool
	renders []string
}

func (h *half) RefuseAtOnce(obtain.Request) error { return nil }

func (h *half) AtHand(context.Context, target.Target) (obtain.Thumb, bool) {
	return obtain.Thumb{}, false
}

func (h *half) Obtain(_ context.Context, r obtain.Request) (obtain.Thumb, error) {
	h.renders = append(h.renders, r.Target.Key.Path)
	switch {
	case h.busy:
		return obtain.Thumb{}, fault.New(fault.LaneFull, "too much waits")
	case r.Target.Spec.Original.Path == "none.png":
		return obtain.Thumb{Image: []byte("none"), Source: obtain.Rendered, Meta: objectstore.Meta{ContentType: "image/png"}}, nil
	}
	return obtain.Thumb{}, fault.New(fault.Absent, "it does not exist")
}

func (h *half) Original(_ context.Context, at thumbnail.Location) (obtain.Thumb, error) {
	if at.Path != "none.png" {
		return obtain.Thumb{}, fault.New(fault.Absent, "it does not exist")
	}
	return obtain.Thumb{Image: []byte("as it is")}, nil
}

func TestFallbacks(t *testing.T) {
	s := settings.Default()
	s.Edge.AllowUnsafe = true
	s.Fallback.Absent = settings.FallbackPicture{Image: "none.png", Status: 200, MaxAge: time.Minute}
	s.Fallback.Refused = settings.FallbackPicture{Image: "none.png"}
	for name, c := range map[string]struct {
		busy         bool
		method, path string
		accept       string
		status       int
		body, cache  string
		kind         string
	}{
		"absent":     {false, "GET", "/unsafe/100x/a.png", "", 200, "none", "public, max-age=60", "absent"},
		"head":       {false, "HEAD", "/unsafe/100x/a.png", "", 200, "", "public, max-age=60", "absent"},
		"busy":       {true, "GET", "/unsafe/100x/a.png", "", 503, "as it is", "no-store", "lane-full"},
		"json":       {false, "GET", "/unsafe/100x/a.png", "application/json", 404, "{", "public, max-age=600", ""},
		"wrong URL":  {false, "GET", "/unsafe/99999x/a.png", "", 400, "the size", "no-store", ""},
		"a picture":  {false, "GET", "/unsafe/100x/none.png", "", 200, "none", "public, max-age=86400, stale-while-revalidate=60, stale-if-error=86400", ""},
		"of wikis":   {false, "GET", "/wikipedia/commons/thumb/a/ab/A.jpg/330px-A.jpg", "", 200, "none", "public, max-age=60", "absent"},
		"as it is":   {false, "GET", "/wikipedia/commons/a/ab/A.jpg", "", 404, "it does", "public, max-age=600", ""},
		"other site": {false, "GET", "/favicon", "", 404, "no thumbnail", "public, max-age=600", ""},
	} {
		h := &half{busy: c.busy}
		g := handlerWith(t, s, h)
		r := httptest.NewRequest(c.method, c.path, nil)
		r.Header.Set("Accept", c.accept)
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		header := w.Header()
		if w.Code != c.status || !strings.HasPrefix(w.Body.String(), c.body) || header.Get("Cache-Control") != c.cache || header.Get("Thumbmill-Fallback") != c.kind {
			t.Errorf("%s: %d %q %v", name, w.Code, w.Body, header)
		}
		if c.busy && (len(h.renders) != 1 || header.Get("Content-Type") != "image/png" || header.Get("Retry-After") == "") {
			t.Errorf("%s: %d renders, %v", name, len(h.renders), header)
		}
	}
}

func TestHintsAreAskedFor(t *testing.T) {
	s := settings.Default()
	s.Edge.AllowUnsafe, s.Edge.ClientHints = true, true
	o := &obtainer{}
	h := handler(t, s, o)
	r := httptest.NewRequest("GET", "/unsafe/100x/filters:dpr(auto):format(auto)/a.png", nil)
	r.Header.Set("Sec-CH-DPR", "2")
	r.Header.Set("Accept", "image/avif")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if vary := w.Header().Values("Vary"); w.Header().Get("Accept-CH") != "Sec-CH-DPR" || !slices.Equal(vary, []string{"Accept", "Sec-CH-DPR", "DPR"}) || o.asked.Target.Spec.Width != 200 {
		t.Errorf("%v, %d pixels", w.Header(), o.asked.Target.Spec.Width)
	}
}

func TestKeysOfCDNs(t *testing.T) {
	s := settings.Default()
	s.Edge.AllowUnsafe = true
	s.Purge.Headers = []string{"Surrogate-Key", "Cache-Tag"}
	w := httptest.NewRecorder()
	handler(t, s, &obtainer{}).ServeHTTP(w, httptest.NewRequest("GET", "/unsafe/100x/a%20b,c.png", nil))
	const want = "File:a%20b%2Cc.png"
	if h := w.Header(); h.Get("Surrogate-Key") != want || h.Get("Cache-Tag") != want || h.Get("Xkey") != "" {
		t.Errorf("%v", h)
	}
}
