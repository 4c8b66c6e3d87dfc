package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/objectstore/storetest"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func picture(t *testing.T, width, height int) []byte {
	t.Helper()
	body, err := samples.JPEG(samples.Landscape(width, height))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// One cluster reads a directory, Swift, S3 and two sites. The beginning of a name chooses the
// source.
func TestOriginalsComeFromEverywhere(t *testing.T) {
	t.Parallel()
	body := picture(t, 300, 200)
	site := siteWith(t, body)
	server := servers.StartSwift(t, "")
	swift, s3 := server.Bucket, server.S3()
	here, _ := url.Parse(site.URL)
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Store.Loaders = []storeconfig.Loader{
			{For: "swift/", Bucket: swift}, {For: "s3/", Bucket: s3},
			{For: "http://", Bucket: storeconfig.Bucket{Kind: "http", Hosts: []string{here.Host}, Allow: []string{"127.0.0.1"}}},
			{For: "media/", Bucket: storeconfig.Bucket{Kind: "http", Endpoint: site.URL + "/files", Allow: []string{"127.0.0.1"}}},
		}
	}})
	c.Original("a.jpg", body, nil)
	for _, b := range []storeconfig.Bucket{swift, s3} {
		stores, err := open.New(settings.Settings{Store: storeconfig.Store{Originals: b, Thumbnails: b}})
		c.must(err)
		c.must(stores.Thumbnails.Put(t.Context(), thumbnail.Location{Path: "in/it.jpg"}, body, storetest.Meta(body)))
		c.must(stores.Close())
	}
	for image, status := range map[string]int{
		"a.jpg": 200, "swift/in/it.jpg": 200, "s3/in/it.jpg": 200, "media/photo": 200, "media/sub/a.jpg": 200,
		site.URL + "/a.jpg": 200, site.URL + "/odd/a.jpg": 200, "http:/" + here.Host + "/a.jpg": 200, url.QueryEscape(site.URL + "/photo?size=1"): 200,
		"absent.jpg": 404, "swift/absent.jpg": 404, "s3/absent.jpg": 404, "media/absent.jpg": 404, site.URL + "/absent.jpg": 404,
		"http://127.0.0.2:" + here.Port() + "/a.jpg": 403, "http://localhost:" + here.Port() + "/a.jpg": 403, "https://example.com/a.jpg": 404,
		"ftp://example.com/a.jpg": 404, "media/../a.jpg": 404, "s3/..%2f..%2fa.jpg": 404, "media/%2e%2e/a.jpg": 404,
	} {
		answer := c.Get(t.Context(), c.Edges[0], "/unsafe/60x/"+image, alice)
		if answer.Status != status {
			t.Errorf("%s: %d %q, want %d", image, answer.Status, answer.Body[:min(len(answer.Body), 200)], status)
		}
	}
	c.Renders() // until all answered thumbnails are stored
	c.Get(t.Context(), c.Edges[0], "/unsafe/60x/"+strings.ToUpper(site.URL[:4])+site.URL[4:]+"/a.jpg", alice).Wants(t, 200)
	if again := c.Get(t.Context(), c.Edges[0], "/unsafe/60x/"+site.URL+"/odd/a.jpg", alice); strings.Contains(again.Header.Get("Server-Timing"), "render") {
		t.Error("a thumbnail of an original without a version is not stored")
	}
	if renders := c.Renders(); renders != 8 {
		t.Errorf("%d renders: another spelling of a URL is another original", renders)
	}
}

// siteWith is another site. It has the same picture at several paths.
func siteWith(t *testing.T, body []byte) *httptest.Server {
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "photo") && !strings.HasSuffix(r.URL.Path, "a.jpg") {
			http.NotFound(w, r)
			return
		}
		if strings.HasSuffix(r.URL.Path, "odd/a.jpg") { // HEAD has a version, GET has none
			if r.Method == http.MethodHead {
				w.Header().Set("Etag", `"v1"`)
			}
			_, _ = w.Write(body)
			return
		}
		http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(body))
	}))
	t.Cleanup(site.Close)
	return site
}

func TestThumbnailsInS3(t *testing.T) {
	t.Parallel()
	bucket := servers.S3(t)
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) { s.Store.Thumbnails = bucket }})
	landscape(c, "a.jpg")
	c.Get(t.Context(), c.Edges[0], "/unsafe/60x/a.jpg", alice).Wants(t, 200)
	c.Renders()
	answer := c.Get(t.Context(), c.Edges[0], "/unsafe/60x/a.jpg", alice)
	answer.Wants(t, 200)
	if timing := answer.Header.Get("Server-Timing"); strings.Contains(timing, "render") {
		t.Errorf("the stored thumbnail was rendered again: %s", timing)
	}
	if r := purge(t, c, c.Edges[0], "a.jpg"); r.Deleted != 1 || len(r.Missed) > 0 {
		t.Errorf("purged: %+v", r)
	}
}

type report struct {
	Deleted, CDN int
	Edges        []string
	Missed       []string
	Original     string
	Absent, Done bool
}

// purge purges an original at an edge's operators' listener, and returns the last line of the
// answer.
func purge(t *testing.T, c *Cluster, e *Edge, original string) (last report) {
	t.Helper()
	for line := range strings.Lines(operate(t, e, "/api/v1/purge", fmt.Sprintf(`{"originals": [%q]}`, original))) {
		last = report{}
		c.must(json.Unmarshal([]byte(line), &last))
	}
	if !last.Done {
		t.Errorf("the purge has no last line: %+v", last)
	}
	return last
}

func operate(t *testing.T, e *Edge, path, body string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	e.API().ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return w.Body.String()
}

// remembering changes settings so that edges serve from memory, and compare hits after revalidate.
func remembering(revalidate time.Duration, more ...func(*settings.Settings)) func(*settings.Settings) {
	return func(s *settings.Settings) {
		s.Edge.Revalidate, s.Edge.Memory = revalidate, 32<<20
		for _, m := range more {
			m(s)
		}
	}
}

func TestANewUploadIsNoticedInTime(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true, Settings: remembering(500 * time.Millisecond)})
	c.Original("a.jpg", picture(t, 300, 200), nil)
	height := func() string { return size(t, c.Get(t.Context(), c.Edges[0], "/unsafe/60x/a.jpg", alice).Body) }
	for range 3 {
		if got := height(); got != "60x40" {
			t.Fatal(got)
		}
		c.Renders()
	}
	c.Original("a.jpg", picture(t, 300, 300), nil)
	Eventually(t, "the new upload is noticed", func() bool { return height() == "60x60" })
	for range 3 { // rendered, from the store, from memory
		if got := height(); got != "60x60" {
			t.Errorf("after the new upload was noticed: %s", got)
		}
		c.Renders()
	}
}

func size(t *testing.T, body []byte) string {
	t.Helper()
	config, _, err := image.DecodeConfig(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%dx%d", config.Width, config.Height)
}

// A purge covers all sizes and formats, both grammars, and every edge's memory. It can be repeated.
func TestAPurgeReachesEverything(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true, Edges: 2, Settings: remembering(time.Hour)})
	const name = "wikipedia-commons-local-public/a/ab/Cat.jpg"
	c.Original(name, picture(t, 300, 200), nil)
	c.Original("other.jpg", picture(t, 300, 200), nil)
	paths := []string{
		"/unsafe/60x/" + name, "/unsafe/70x/filters:format(webp)/" + name, "/unsafe/80x/filters:grayscale()/" + name,
		"/wikipedia/commons/thumb/a/ab/Cat.jpg/90px-Cat.jpg", "/wikipedia/commons/thumb/a/ab/Cat.jpg/qlow-90px-Cat.jpg.webp",
	}
	get := func(path string) (heights []string) {
		for _, e := range c.Edges {
			answer := c.Get(t.Context(), e, path, alice)
			answer.Wants(t, 200)
			heights = append(heights, answer.Header.Get("Etag"))
		}
		return heights
	}
	old := map[string][]string{}
	for range 3 { // rendered, from the store, from memory
		for _, path := range append(paths, "/unsafe/60x/other.jpg") {
			old[path] = get(path)
		}
		c.Renders()
	}
	if hits := c.Edges[1].Metric(t, "thumbmill_hits_total", "from", "memory"); hits == 0 {
		t.Error("nothing was served from memory")
	}
	c.Original(name, picture(t, 300, 300), nil)
	for _, path := range paths {
		if got := get(path); !slices.Equal(got, old[path]) {
			t.Errorf("%s changed before the purge", path)
		}
	}
	r := purge(t, c, c.Edges[0], name)
	if r.Deleted != len(paths) || len(r.Edges) != 2 || len(r.Missed) > 0 {
		t.Errorf("purged: %+v", r)
	}
	for _, path := range paths {
		if got := get(path); slices.Contains(got, old[path][0]) {
			t.Errorf("%s is still the old picture", path)
		}
	}
	if got := get("/unsafe/60x/other.jpg"); !slices.Equal(got, old["/unsafe/60x/other.jpg"]) {
		t.Error("another original was purged")
	}
	c.Renders()
	purge(t, c, c.Edges[1], name)
	if again := purge(t, c, c.Edges[1], name); again.Deleted != 0 || len(again.Missed) > 0 {
		t.Errorf("the second purge: %+v", again)
	}
}

// After a purge during a render, no request joins that render, and its thumbnail is not served,
// even if the original's site reports no versions.
func TestAPurgeSeparatesFlights(t *testing.T) {
	t.Parallel()
	var body atomic.Pointer[[]byte]
	set := func(b []byte) { body.Store(&b) }
	set(picture(t, 300, 200))
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*body.Load()) }))
	defer site.Close()
	here, _ := url.Parse(site.URL)
	c := Start(t, Options{Workers: true, Renderers: 2, Settings: remembering(time.Hour, func(s *settings.Settings) {
		s.Store.Loaders = []storeconfig.Loader{{For: "http://", Bucket: storeconfig.Bucket{Kind: "http", Hosts: []string{here.Host}, Allow: []string{"127.0.0.1"}}}}
	})})
	name := site.URL + "/a.jpg"
	storing, gate := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.Hooks.BeforePut = func(thumbnail.Location) error { once.Do(func() { close(storing); <-gate }); return nil }
	first := c.Get(t.Context(), c.Edges[0], "/unsafe/60x/"+name, alice)
	if first.Wants(t, 200); size(t, first.Body) != "60x40" {
		t.Fatal(size(t, first.Body))
	}
	<-storing // the old picture is about to be stored
	set(picture(t, 300, 300))
	time.AfterFunc(300*time.Millisecond, func() { close(gate) }) // the renderer answers the purge after that
	if r := purge(t, c, c.Edges[0], name); len(r.Missed) > 0 {
		t.Errorf("%+v", r)
	}
	for range 4 {
		answer := c.Get(t.Context(), c.Edges[0], "/unsafe/60x/"+name, alice)
		if answer.Wants(t, 200); size(t, answer.Body) != "60x60" {
			t.Errorf("after the purge: %s", size(t, answer.Body))
		}
		c.Renders()
	}
}

// An edge that may have missed a purge serves nothing from memory. The purge's report says that it
// missed the edge.
func TestADeafEdgeServesNothingFromMemory(t *testing.T) {
	t.Parallel()
	var link *wire.Link
	c := Start(t, Options{Workers: true, Settings: remembering(time.Hour)})
	deaf := c.AddEdge(func(u string) string {
		link = wire.New(t, strings.TrimPrefix(u, "nats://"))
		return "nats://" + link.Addr()
	})
	c.Original("a.jpg", picture(t, 300, 200), nil)
	var old string
	for range 4 {
		answer := c.Get(t.Context(), deaf, "/unsafe/60x/a.jpg", alice)
		answer.Wants(t, 200)
		old = answer.Header.Get("Etag")
		c.Renders()
	}
	if deaf.Metric(t, "thumbmill_hits_total", "from", "memory") == 0 {
		t.Fatal("nothing was served from memory")
	}
	link.Mute() // the edge still sends heartbeats, but receives nothing
	c.Original("a.jpg", picture(t, 300, 300), nil)
	r := purge(t, c, c.Edges[0], "a.jpg")
	if len(r.Missed) != 1 || !strings.Contains(r.Missed[0], deaf.Name()) {
		t.Errorf("the purge reports %+v", r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if answer := c.Get(ctx, deaf, "/unsafe/60x/a.jpg", alice); answer.Header.Get("Etag") == old {
		t.Error("the old picture was served past the purge")
	}
	link.Thaw()
	Eventually(t, "the edge serves the new picture", func() bool {
		answer := c.Get(t.Context(), deaf, "/unsafe/60x/a.jpg", alice)
		return answer.Status == 200 && answer.Header.Get("Etag") != old
	})
}

// A purge by key covers thumbnails that Varnish could not find by URL.
func TestAPurgeReachesTheCDN(t *testing.T) {
	t.Parallel()
	var cdn settings.Purge
	c := Start(t, Options{Settings: func(s *settings.Settings) { s.Edge.Revalidate = time.Hour }})
	varnish := servers.Varnish(t, [2]string{c.Edges[0].Addr(), c.Edges[0].Addr()})
	cdn = settings.Purge{XKey: []string{varnish}, URLs: []string{varnish}}
	c.Settings.Purge = cdn
	purger := c.AddEdge(nil)
	const name = "wikipedia-commons-local-public/a/ab/K\u00e4se 1.jpg"
	c.Original(name, picture(t, 300, 200), nil)
	paths := []string{"/unsafe/60x/" + url.PathEscape(name), "/wikipedia/commons/thumb/a/ab/K%C3%A4se%201.jpg/60px-K%C3%A4se%201.jpg"}
	cached := func(path string) string {
		r := c.ask(t, varnish, path)
		_, _ = io.Copy(io.Discard, r.Body)
		if r.StatusCode != 200 {
			t.Errorf("%s: %s", path, r.Status)
		}
		return r.Header.Get("X-Cache")
	}
	for _, path := range paths {
		if first, second := cached(path), cached(path); first != "miss" || second != "hit" {
			t.Errorf("%s: %s, then %s", path, first, second)
		}
	}
	c.Renders()
	r := purge(t, c, purger, name)
	if r.CDN < 2 || len(r.Missed) > 0 {
		t.Errorf("purged: %+v", r)
	}
	for _, path := range paths {
		if got := cached(path); got != "miss" {
			t.Errorf("%s is a %s after the purge", path, got)
		}
	}
	c.Renders()
	c.Settings.Purge.XKey = []string{"http://127.0.0.1:1"}
	if r := purge(t, c, c.AddEdge(nil), name); !strings.Contains(strings.Join(r.Missed, " "), "127.0.0.1:1") {
		t.Errorf("a CDN that is away: %+v", r)
	}
}

// Thumbnails are rendered in advance, from a list and from a message about an upload.
func TestRenderingInAdvance(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Upload = settings.Upload{Subject: "uploads", Widths: []int{40, 50}}
		s.Throttle.PerOriginal = settings.Pool{Workers: 1, MaxQueue: 1, Timeout: time.Second}
	}})
	c.Original("a.jpg", picture(t, 300, 200), nil)
	c.Original("wikipedia-commons-local-public/a/ab/Cat.jpg", picture(t, 300, 200), nil)
	var got []string
	list := `{"thumbnails": [{"path": "/unsafe/60x/a.jpg"}, {"path": "/unsafe/61x/a.jpg"}, {"path": "/unsafe/62x/a.jpg"},
		{"spec": {"original": {"path": "a.jpg"}, "width": 63, "format": "webp"}}, {"path": "/unsafe/60x/absent.jpg"}, {"path": "nonsense"}]}`
	for line := range strings.Lines(operate(t, c.Edges[0], "/api/v1/render", list)) {
		var r struct{ Outcome, Key string }
		c.must(json.Unmarshal([]byte(line), &r))
		got = append(got, r.Outcome)
	}
	slices.Sort(got)
	if strings.Join(got, " ") != "absent bad-url rendered rendered rendered rendered" {
		t.Errorf("outcomes: %v", got)
	}
	if n := c.Edges[0].Metric(t, "thumbmill_edge_requests_total"); n != 0 {
		t.Errorf("counted as %v requests of clients", n)
	}
	c.Renders() // until they are stored
	if again := operate(t, c.Edges[0], "/api/v1/render", `{"thumbnails": [{"path": "/unsafe/60x/a.jpg"}]}`); !strings.Contains(again, `"hit"`) {
		t.Errorf("once more: %s", again)
	}
	renders := c.Renders()
	conn, err := nats.Connect(c.Queue.URL())
	c.must(err)
	defer conn.Close()
	c.must(conn.Publish("uploads", []byte(`{"original": "wikipedia-commons-local-public/a/ab/Cat.jpg"}`)))
	c.must(conn.Publish("uploads", []byte(`{"original": "a.jpg"}`)))
	c.must(conn.Publish("uploads", []byte(`nonsense`)))
	Eventually(t, "four more are rendered", func() bool { return c.Hooks.Puts() == renders+4 })
	for _, path := range []string{"/wikipedia/commons/thumb/a/ab/Cat.jpg/40px-Cat.jpg", "/unsafe/50x/a.jpg"} {
		answer := c.Get(t.Context(), c.Edges[0], path, alice)
		answer.Wants(t, 200)
		if strings.Contains(answer.Header.Get("Server-Timing"), "render") {
			t.Errorf("%s was not rendered in advance", path)
		}
	}
	Eventually(t, "all messages are counted", func() bool { return c.Edges[0].Metric(t, "thumbmill_uploads_total") == 3 })
}

// A thumbnail with earlier defaults is kept, or rendered again at the next request.
func TestDefaultsThatChanged(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) { s.Edge.Revalidate = time.Hour }})
	const name, path = "wikipedia-commons-local-public/a/ab/Cat.jpg", "/wikipedia/commons/thumb/a/ab/Cat.jpg/90px-Cat.jpg"
	c.Original(name, picture(t, 300, 200), nil)
	first := c.Get(t.Context(), c.Edges[0], path, alice)
	first.Wants(t, 200)
	c.Renders()
	c.Settings.Render.Quality = 30
	keeps := c.AddEdge(nil)
	c.Settings.Edge.Outdated = settings.RenderAgain
	renews := c.AddEdge(nil)
	if answer := c.Get(t.Context(), keeps, path, alice); !bytes.Equal(answer.Body, first.Body) {
		t.Error("the edge must keep the thumbnail")
	}
	if again := operate(t, keeps, "/api/v1/render", `{"thumbnails": [{"path": "`+path+`"}]}`); !strings.Contains(again, `"hit"`) {
		t.Errorf("the edge must keep the thumbnail: %s", again)
	}
	renewed := c.Get(t.Context(), renews, path, alice)
	if renewed.Wants(t, 200); len(renewed.Body) >= len(first.Body) {
		t.Errorf("%d bytes at quality 87, %d at 30", len(first.Body), len(renewed.Body))
	}
	c.Renders()
	if again := c.Get(t.Context(), renews, path, alice); !bytes.Equal(again.Body, renewed.Body) || strings.Contains(again.Header.Get("Server-Timing"), "render") {
		t.Error("the thumbnail is rendered at each request")
	}
	c.Settings.Render.Quality, c.Settings.Edge.Outdated = 60, settings.Keep
	if again := operate(t, c.AddEdge(nil), "/api/v1/render", `{"renew": true, "thumbnails": [{"path": "`+path+`"}]}`); !strings.Contains(again, `"rendered"`) {
		t.Errorf("the thumbnail must be rendered again: %s", again)
	}
}

// Thumbnails that other programs wrote have no version of their original. They are served unless
// the original is newer.
func TestThumbnailsOfOthers(t *testing.T) {
	t.Parallel()
	bucket := servers.Swift(t)
	bucket.Container = "thumbnails"
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Store.Thumbnails, s.Edge.Revalidate = bucket, time.Second
	}})
	const name, path = "wikipedia-commons-local-public/a/ab/Cat.jpg", "/wikipedia/commons/thumb/a/ab/Cat.jpg/90px-Cat.jpg"
	c.Original(name, picture(t, 300, 200), nil)
	file := filepath.Join(c.Settings.Store.Originals.Path, name)
	c.must(os.Chtimes(file, time.Time{}, time.Now().Add(-time.Hour)))
	foreign := []byte("somebody else's")
	meta := storetest.Meta(foreign)
	meta.OriginalVersion, meta.Spec, meta.SpecDigest = "", "", ""
	c.must(c.Stores.Thumbnails.Put(t.Context(), thumbnail.Location{Container: "wikipedia-commons-local-thumb", Path: "a/ab/Cat.jpg/90px-Cat.jpg"}, foreign, meta))
	if answer := c.Get(t.Context(), c.Edges[0], path, alice); !bytes.Equal(answer.Body, foreign) {
		t.Errorf("%d %.100q", answer.Status, answer.Body)
	}
	c.must(os.Chtimes(file, time.Time{}, time.Now().Add(time.Minute)))
	Eventually(t, "the younger original is rendered", func() bool {
		answer := c.Get(t.Context(), c.Edges[0], path, alice)
		answer.Wants(t, 200)
		return !bytes.Equal(answer.Body, foreign)
	})
}

// A client whose thumbnail is refused gets another size of it, with a header that says so.
func TestTheNearestSizeInsteadOfARefusal(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Edge.Nearest = true
		s.Throttle.PerOriginal = settings.Pool{Workers: 1, MaxQueue: 1, Timeout: time.Second}
	}})
	const name = "wikipedia-commons-local-public/a/ab/Cat.jpg"
	c.Original(name, picture(t, 300, 200), nil)
	wiki := func(width string) string { return "/wikipedia/commons/thumb/a/ab/Cat.jpg/" + width + "px-Cat.jpg" }
	for _, path := range []string{wiki("50"), wiki("100"), wiki("200"), "/unsafe/100x50/" + name, "/unsafe/100x/" + name, "/unsafe/50x/" + name} {
		c.Get(t.Context(), c.Edges[0], path, alice).Wants(t, 200)
		c.Renders()
	}
	storing, gate := make(chan struct{}), make(chan struct{})
	c.Hooks.BeforePut = func(thumbnail.Location) error { close(storing); <-gate; return nil }
	busy := c.Go(t.Context(), c.Edges[0], wiki("77"), bob)
	<-storing // the original's only place is taken until the thumbnail is stored
	for path, want := range map[string]string{
		wiki("60"): "100x0", wiki("150"): "200x0", wiki("250"): "200x0", wiki("qlow-60"): "",
		"/unsafe/80x40/" + name: "100x50", "/unsafe/80x60/" + name: "", "/unsafe/80x/" + name: "100x0", "/unsafe/300x/" + name: "100x0",
		"/unsafe/80x/filters:grayscale()/" + name: "",
	} {
		answer := c.Get(t.Context(), c.Edges[0], path, alice)
		if want == "" {
			answer.Wants(t, 429)
			continue
		}
		answer.Wants(t, 200)
		if answer.Header.Get("Thumbmill-Nearest") != want || answer.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s, %s", path, answer.Header.Get("Thumbmill-Nearest"), answer.Header.Get("Cache-Control"))
		}
	}
	close(gate)
	(<-busy).Wants(t, 200)
}

// A purge takes the URL of a thumbnail, and a folder. The other originals keep their thumbnails.
func TestAPurgeByURLAndByFolder(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	names := []string{"2026/11/a.jpg", "2026/11/b/c.jpg", "2026/12/d.jpg"}
	get := func() int {
		before := c.Renders()
		for _, name := range names {
			c.Get(t.Context(), c.Edges[0], "/unsafe/10x/"+name, alice).Wants(t, 200)
		}
		return c.Renders() - before
	}
	for _, name := range names {
		landscape(c, name)
	}
	if n := get(); n != len(names) {
		t.Fatalf("%d renders", n)
	}
	for _, step := range []struct {
		purged, original string
		again            int
	}{
		{"https://thumbs.example/unsafe/20x/2026/11/a.jpg", "2026/11/a.jpg", 1}, {"2026/11/*", "2026/11/b/c.jpg", 2}, {"2026/1*", "2026/12/d.jpg", 3}, {"2025/*", "2025/*", 0}, {"*", "*", 0},
	} {
		last := purge(t, c, c.Edges[0], step.purged)
		if last.Original != step.original || last.Absent != (step.purged == "2025/*") || (len(last.Missed) > 0) != (step.purged == "*") {
			t.Errorf("%s: %+v", step.purged, last)
		}
		if n := get(); n != step.again {
			t.Errorf("%s: %d originals were rendered again, want %d", step.purged, n, step.again)
		}
	}
}
