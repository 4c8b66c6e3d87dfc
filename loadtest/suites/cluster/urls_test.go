package cluster

import (
	"bytes"
	"image"
	_ "image/gif"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// ask is Get with additional headers.
func (c *Cluster) ask(t *testing.T, base, path string, header ...string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Forwarded-For", alice)
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

func TestTheClientsAcceptChoosesTheFormat(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Thumbor.AutoFormats = []string{"avif", "webp", "jpg", "png"}
	}})
	landscape(c, "a.jpg")
	opaque, err := samples.PNG(samples.Landscape(200, 100))
	c.Original("opaque.png", opaque, err)
	transparent := image.NewNRGBA(image.Rect(0, 0, 90, 60))
	png, err := samples.PNG(transparent)
	c.Original("transparent.png", png, err)
	gif, err := samples.GIF(60, 3)
	c.Original("frames.gif", gif, err)
	base := "http://" + c.Edges[0].Addr() + "/unsafe/50x/"
	for _, k := range []struct{ path, accept, want, vary string }{
		{"a.jpg", "", "image/jpeg", "Accept"},
		{"a.jpg", "image/avif,image/webp,*/*", "image/avif", "Accept"},
		{"a.jpg", "image/webp,*/*;q=0.8", "image/webp", "Accept"},
		{"a.jpg", "image/avif;q=0,image/webp", "image/webp", "Accept"},
		{"a.jpg", "*/*", "image/jpeg", "Accept"},
		{"opaque.png", "*/*", "image/jpeg", "Accept"},
		{"opaque.png", "image/png", "image/png", "Accept"},
		{"transparent.png", "*/*", "image/png", "Accept"},
		{"transparent.png", "image/webp", "image/webp", "Accept"},
		{"frames.gif", "image/webp", "image/webp", "Accept"}, // with all frames
		{"filters:format(png)/a.jpg", "image/webp", "image/png", ""},
	} {
		for range 2 { // rendered, and from the store
			r := c.ask(t, base, k.path, "Accept", k.accept)
			if r.StatusCode != 200 || r.Header.Get("Content-Type") != k.want || r.Header.Get("Vary") != k.vary {
				t.Errorf("%s for %q: %d %s, Vary %q", k.path, k.accept, r.StatusCode, r.Header.Get("Content-Type"), r.Header.Get("Vary"))
			}
			_ = r.Body.Close()
		}
	}
}

func TestWatermarksAreGuardedAsOriginalsAre(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Store.PrivateContainers, s.Store.PrivateSecret = []string{"wikipedia-office-local-public"}, "secret"
		s.Edge.Blacklist = []string{"banned.png"}
	}})
	landscape(c, "a.jpg")
	mark, err := samples.PNG(samples.Landscape(30, 20))
	for _, name := range []string{"mark.png", "banned.png", "wikipedia-office-local-public/a/ab/mark.png"} {
		c.Original(name, mark, err)
	}
	c.Original("mark.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><rect width="20" height="20" fill="red"/></svg>`), nil)
	c.Original("broken.png", []byte("no picture"), nil)
	for name, want := range map[string]int{
		"mark.png": 200, "mark.svg": 200, "broken.png": 400, "missing.png": 400, "banned.png": 400,
		"wikipedia-office-local-public/a/ab/mark.png": 401, "../../etc/passwd": 200, // not the name of an original: skipped
	} {
		for _, filter := range []string{"watermark(" + name + ",5,5,0)", "frame(" + name + ")"} {
			a := c.Get(t.Context(), c.Edges[0], "/unsafe/100x/filters:"+filter+"/a.jpg", alice)
			a.Wants(t, want)
			if skipped := a.Header.Get("Thumbmill-Skipped-Filters"); (skipped != "") != (name == "../../etc/passwd") {
				t.Errorf("%s: skipped %q", filter, skipped)
			}
		}
	}
	good := c.Get(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice)
	good.Wants(t, 200) // faults of watermarks do not count for the original
}

func TestMetaAndStrictFilters(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) { s.Thumbor.StrictFilters = true }})
	landscape(c, "a.jpg")
	meta := c.Get(t.Context(), c.Edges[0], "/unsafe/meta/-100x100/a.jpg", alice)
	meta.Wants(t, 200)
	want := `{"thumbor":{"source":{"url":"a.jpg","width":800,"height":500,"frameCount":1},"operations":[` +
		`{"type":"crop","left":150,"top":0,"right":650,"bottom":500},{"type":"resize","width":100,"height":100},{"type":"flip_horizontally"}],` +
		`"target":{"width":100,"height":100},"focal_points":[{"x":400,"y":250,"z":1,"height":1,"width":1,"origin":"alignment"}]}}`
	if string(meta.Body) != want || meta.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s\n%s", meta.Header.Get("Content-Type"), meta.Body)
	}
	refused := c.Get(t.Context(), c.Edges[0], "/unsafe/100x/filters:blur(3):nosuch(1):rotate(45)/a.jpg", alice)
	refused.Wants(t, 400)
	if !bytes.Contains(refused.Body, []byte("nosuch, rotate")) {
		t.Errorf("%s", refused.Body)
	}
}

func TestMediaWikisOtherPaths(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *settings.Settings) { s.MediaWiki.SizePolicy = "redirect" }})
	landscape(c, "wikipedia-en-local-public/d/d1/Cat.jpg")
	c.Original("global-data-math-render/c/9/f/c9.svg", []byte("<svg/>"), nil)
	e := c.Edges[0]
	for path, want := range map[string]int{
		"/wikipedia/en/d/d1/Cat.jpg": 200, "/wikipedia/en/d/d1/Dog.jpg": 404, "/math/c/9/f/c9.svg": 200, "/math/c/9/f/ca.svg": 404,
		"/wikipedia/en/thumb.php?f=Cat.jpg&width=120": 200, "/wikipedia/en/thumb/d/d1/Cat.jpg/100px-Cat.jpg": 302,
		"/wikipedia//en/thumb/d/d1/Cat.jpg/120px-CAT.JPG": 200, "/wikipedia/en/thumb/d/d1/Dog.jpg/120px-Dog.jpg": 404,
	} {
		a := c.Get(t.Context(), e, path, alice)
		a.Wants(t, want)
		cached := a.Header.Get("Cache-Control")
		if want == 404 && cached != "public, max-age=600" {
			t.Errorf("%s: a 404 with %q", path, cached)
		}
		if want == 302 && a.Header.Get("Location") != "/wikipedia/en/thumb/d/d1/Cat.jpg/120px-Cat.jpg" {
			t.Errorf("%s: to %s", path, a.Header.Get("Location"))
		}
	}
	ranged := c.ask(t, "http://"+e.Addr(), "/wikipedia/en/d/d1/Cat.jpg", "Range", "bytes=0-9")
	if ranged.StatusCode != http.StatusPartialContent || ranged.Header.Get("Content-Range") == "" {
		t.Errorf("a range of an original: %d", ranged.StatusCode)
	}
	Eventually(t, "both spellings store one thumbnail", func() bool { return c.Hooks.Puts() == 1 && e.OpenJobs() == 0 })
}

// Swift's proxy serves stored files itself, and asks the edge once for a missing thumbnail.
func TestBehindSwiftsProxy(t *testing.T) {
	address, dead := servers.FreeAddress(t), servers.FreeAddress(t)
	bucket := servers.SwiftBefore(t, address+", "+dead)
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Edge.Listen = address
		s.Store.Originals, s.Store.Thumbnails = bucket, bucket
		s.MediaWiki.SizePolicy = "refuse"
	}})
	token, storage := swiftToken(t, bucket)
	for _, container := range []string{"wikipedia-en-local-public", "wikipedia-en-local-thumb"} {
		swiftPut(t, storage+"/"+container, token, nil, "X-Container-Read", ".r:*")
	}
	body, err := photograph()
	if err != nil {
		t.Fatal(err)
	}
	swiftPut(t, storage+"/wikipedia-en-local-public/d/d1/A%20cat.jpg", token, body)
	proxy := strings.TrimSuffix(bucket.AuthURL, "/auth/v1.0")
	thumb := "/wikipedia/en/thumb/d/d1/A%20cat.jpg/120px-A%20cat.jpg"
	first := c.ask(t, proxy, thumb)
	if first.StatusCode != 200 || first.Header.Get("Content-Type") != "image/jpeg" || first.Header.Get("Xkey") == "" {
		t.Fatalf("rendered: %d %v", first.StatusCode, first.Header)
	}
	Eventually(t, "the thumbnail is stored", func() bool { return c.Hooks.Puts() == 1 && c.Edges[0].OpenJobs() == 0 })
	edgeSaw := 0.0
	Eventually(t, "the edge counts the request", func() bool { edgeSaw = requests(t, c.Edges[0]); return edgeSaw > 0 })
	for path, want := range map[string]int{
		thumb: 200, "/wikipedia/en/d/d1/A%20cat.jpg": 200, "/wikipedia/en/d/d1/Dog.jpg": 404,
	} {
		if r := c.ask(t, proxy, path); r.StatusCode != want {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
	if again := requests(t, c.Edges[0]); again != edgeSaw {
		t.Errorf("the edge got %v requests for stored thumbnails or originals", again-edgeSaw)
	}
	for path, want := range map[string]int{
		"/wikipedia/en/thumb/d/d1/Dog.jpg/120px-Dog.jpg": 404, "/wikipedia/en/thumb/d/d1/A%20cat.jpg/0px-x.jpg": 400,
		"/wikipedia/en/thumb/d/d1/A%20cat.jpg/100px-A%20cat.jpg": 400, "/wikipedia/en/thumb/d/d1/%C3%84.jpg/120px-%C3%84.jpg": 404,
	} {
		for range 4 { // the order of edges is random
			r := c.ask(t, proxy, path)
			if r.StatusCode != want || r.Header.Get("X-Request-Id") == "" || strings.Contains(path, "/100px-") && r.Header.Get("Link") == "" {
				t.Errorf("%s: %d, not the edge's answer", path, r.StatusCode)
			}
			_ = r.Body.Close()
		}
	}
	download := c.ask(t, proxy, "/wikipedia/en/thumb/d/d1/A%20cat.jpg/250px-A%20cat.jpg?download")
	if !strings.HasPrefix(download.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("the query was lost: %v", download.Header)
	}
	swiftPut(t, storage+"/thumb", token, nil, "X-Container-Read", ".r:*")
	swiftPut(t, storage+"/thumb/a/ab/x", token, body)
	if r := c.ask(t, proxy, strings.TrimPrefix(storage, proxy)+"/thumb/a/ab/x"); r.StatusCode != 200 {
		t.Errorf("Swift's own API: %d", r.StatusCode)
	}
}

// In front of Swift, the edge serves all paths of Swift's containers.
func TestInFrontOfSwift(t *testing.T) {
	bucket := servers.Swift(t)
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Store.Originals, s.Store.Thumbnails = bucket, bucket
		s.Store.ShardedContainers = []string{"wikipedia-en-local-public", "wikipedia-en-local-thumb"}
	}})
	token, storage := swiftToken(t, bucket)
	body, err := photograph()
	if err != nil {
		t.Fatal(err)
	}
	for container, object := range map[string]string{
		"wikipedia-en-local-public.d1": "d/d1/Cat.jpg", "global-data-score-render": "j/q/jq.png",
	} {
		swiftPut(t, storage+"/"+container, token, nil)
		swiftPut(t, storage+"/"+container+"/"+object, token, body)
	}
	for path, want := range map[string]int{
		"/wikipedia/en/thumb/d/d1/Cat.jpg/120px-Cat.jpg": 200, "/wikipedia/en/d/d1/Cat.jpg": 200, "/score/j/q/jq.png": 200,
		"/score/j/q/other.png": 404, "/wikipedia/en/thumb/d/d1/Dog.jpg/120px-Dog.jpg": 404,
	} {
		c.Get(t.Context(), c.Edges[0], path, alice).Wants(t, want)
	}
	Eventually(t, "the thumbnail is in its shard", func() bool {
		r, err := http.NewRequest(http.MethodHead, storage+"/wikipedia-en-local-thumb.d1/d/d1/Cat.jpg/120px-Cat.jpg", nil)
		if err != nil {
			return false
		}
		r.Header.Set("X-Auth-Token", token)
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == 200
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func requests(t *testing.T, e *Edge) float64 {
	t.Helper()
	families, err := e.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == "thumbmill_edge_requests_total" {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func swiftToken(t *testing.T, b storeconfig.Bucket) (token, storage string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, b.AuthURL, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-User", b.User)
	r.Header.Set("X-Auth-Key", string(b.Key))
	answer, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	return answer.Header.Get("X-Auth-Token"), answer.Header.Get("X-Storage-Url")
}

func swiftPut(t *testing.T, url, token string, body []byte, header ...string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPut, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Auth-Token", token)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil || answer.StatusCode >= 300 {
		t.Fatalf("%s: %v %v", url, answer, err)
	}
	_ = answer.Body.Close()
}
