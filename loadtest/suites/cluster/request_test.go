package cluster

import (
	"bytes"
	"fmt"
	"image"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
)

const alice, bob = "192.0.2.1", "198.51.100.2"

// photograph returns a JPEG of 800 × 500 px. Its drawing takes a fifth of a second under the race
// detector, and most tests need it.
var photograph = sync.OnceValues(func() ([]byte, error) { return samples.JPEG(samples.Landscape(800, 500)) })

func landscape(c *Cluster, name string) {
	body, err := photograph()
	c.Original(name, body, err)
}

func TestTheSecondRequestIsServedFromTheStore(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true})
	landscape(c, "wikipedia-commons-local-public/a/ab/Käse.jpg")
	const path = "/wikipedia/commons/thumb/a/ab/K%C3%A4se.jpg/330px-K%C3%A4se.jpg"
	first := c.Get(t.Context(), c.Edges[0], path, alice)
	first.Wants(t, 200)
	m, format, err := image.Decode(bytes.NewReader(first.Body))
	if err != nil || format != "jpeg" || m.Bounds().Dx() != 330 || m.Bounds().Dy() != 206 {
		t.Fatalf("%s %v, %v", format, m.Bounds(), err)
	}
	Eventually(t, "the thumbnail is stored", func() bool { return c.Hooks.Puts() == 1 && c.Edges[0].OpenJobs() == 0 })
	second := c.Get(t.Context(), c.Edges[0], path, alice)
	second.Wants(t, 200)
	if !bytes.Equal(first.Body, second.Body) || c.Hooks.Puts() != 1 {
		t.Error("the second answer is another picture")
	}
	for _, name := range []string{"Etag", "Last-Modified", "Cache-Control", "Content-Disposition", "Content-Type", "Xkey", "Content-Length"} {
		if first.Header.Get(name) == "" || first.Header.Get(name) != second.Header.Get(name) {
			t.Errorf("%s: %q at first, then %q", name, first.Header.Get(name), second.Header.Get(name))
		}
	}
	for _, step := range []string{"lookup", "head", "failure", "admit", "publish", "queued", "fetch", "worker", "render", "total"} {
		if !strings.Contains(first.Header.Get("Server-Timing"), step+";dur=") {
			t.Errorf("Server-Timing %q lacks %s", first.Header.Get("Server-Timing"), step)
		}
	}
	if id := first.Header.Get("X-Request-Id"); id == "" || id == second.Header.Get("X-Request-Id") {
		t.Errorf("request ids %q and %q", id, second.Header.Get("X-Request-Id"))
	}
}

func TestConditionsAndRanges(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	const path = "/unsafe/100x/a.jpg"
	whole := c.Get(t.Context(), c.Edges[0], path, alice)
	whole.Wants(t, 200)
	ask := func(method string, header ...string) *http.Response {
		request, _ := http.NewRequest(method, "http://"+c.Edges[0].Addr()+path, nil)
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		transport := &http.Transport{DisableKeepAlives: true}
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
	for name, check := range map[string]struct {
		response *http.Response
		status   int
		length   int64
	}{
		"HEAD":              {ask("HEAD"), 200, int64(len(whole.Body))},
		"If-None-Match":     {ask("GET", "If-None-Match", whole.Header.Get("Etag")), 304, 0},
		"If-Modified-Since": {ask("GET", "If-Modified-Since", whole.Header.Get("Last-Modified")), 304, 0},
		"Range":             {ask("GET", "Range", "bytes=10-19"), 206, 10},
		"If-Range":          {ask("GET", "Range", "bytes=10-19", "If-Range", `"other"`), 200, int64(len(whole.Body))},
		"bad Range":         {ask("GET", "Range", "bytes=99999999-"), 416, -1},
		"POST":              {ask("POST"), 405, -1},
	} {
		if check.response.StatusCode != check.status || check.length > 0 && check.response.ContentLength != check.length {
			t.Errorf("%s: %d, %d bytes; want %d, %d", name, check.response.StatusCode, check.response.ContentLength, check.status, check.length)
		}
	}
}

func TestAnAbsentOriginalCostsNothing(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	for range 3 {
		a := c.Get(t.Context(), c.Edges[0], "/unsafe/100x/none.jpg", alice)
		a.Wants(t, 404)
		if a.Header.Get("Cache-Control") != "public, max-age=600" || a.Header.Get("Retry-After") != "" {
			t.Errorf("headers %v", a.Header)
		}
	}
	if n := c.Edges[0].Metric(t, "thumbmill_throttle_decisions_total"); n != 0 {
		t.Errorf("%v throttles were asked", n)
	}
}

func TestRefusalsOfURLs(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Edge.SecurityKey, s.Edge.AllowUnsafe = "key", false
		s.Store.PrivateContainers, s.Store.PrivateSecret = []string{"wikipedia-office-local-public"}, "secret"
	}})
	for path, status := range map[string]int{
		"/nothing": 404, "/unsafe/100x/a.jpg": 403, "/8ammJH8D-7tXy6kU3lTvoXlhu4o=/100x/a.jpg": 403,
		"/wikipedia/office/thumb/a/ab/A.jpg/100px-A.jpg": 401, "/wikipedia/en/thumb/a/ab/A.jpg/0px-A.jpg": 400,
		"/wikipedia/en/thumb/a/ab/A.jpg/100px-A.jpg.png": 400, "/wikipedia/en/thumb/a/ab/%ff.jpg/100px-A.jpg": 400,
	} {
		a := c.Get(t.Context(), c.Edges[0], path, alice)
		a.Wants(t, status)
		if len(a.Body) < 10 {
			t.Errorf("%s: says only %q", path, a.Body)
		}
	}
}

func TestFailuresAreRemembered(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	c.Original("garbage.jpg", []byte("this is no picture"), nil)
	landscape(c, "good.jpg")
	for i := range 4 {
		c.Get(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/%dx/garbage.jpg", 100+i), alice).Wants(t, 422)
	}
	a := c.Get(t.Context(), c.Edges[0], "/unsafe/200x/garbage.jpg", alice)
	a.Wants(t, 429)
	if a.Header.Get("Thumbmill-Throttle") != "failure" || a.Header.Get("Retry-After") == "" {
		t.Errorf("headers %v", a.Header)
	}
	c.Get(t.Context(), c.Edges[0], "/unsafe/200x/good.jpg", alice).Wants(t, 200)
	c.Original("unknown.xyz", []byte("of no type that an engine reads"), nil)
	c.Get(t.Context(), c.Edges[0], "/unsafe/200x/unknown.xyz", alice).Wants(t, 400)
}

func TestManyIdenticalRequestsAreOneRender(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Edges: 2, Renderers: 2})
	landscape(c, "hot.jpg")
	release := c.Hooks.Hold()
	var group sync.WaitGroup
	const requests = 200 // with more, the race detector keeps an edge from hearing its coordinator in time
	for i := range requests {
		group.Go(func() { c.Get(t.Context(), c.Edges[i%2], "/unsafe/100x/hot.jpg", alice).Wants(t, 200) })
	}
	Eventually(t, "all wait", func() bool {
		return c.Edges[0].Metric(t, "thumbmill_flight_waiters")+c.Edges[1].Metric(t, "thumbmill_flight_waiters") == requests
	})
	release()
	group.Wait()
	if n := c.Renders(); n != 1 {
		t.Errorf("%d renders", n)
	}
}

func TestThrottlesNameThemselves(t *testing.T) {
	t.Parallel()
	one := settings.Pool{Workers: 1, MaxQueue: 1, Timeout: time.Second}
	for name, c := range map[string]struct {
		settings func(*settings.Settings)
		paths    [2]string
		second   string
	}{
		"per-ip":       {func(s *settings.Settings) { s.Throttle.PerIP = one }, [2]string{"a.jpg", "b.jpg"}, alice},
		"per-original": {func(s *settings.Settings) { s.Throttle.PerOriginal = one }, [2]string{"a.jpg", "filters:quality(9)/a.jpg"}, bob},
		"expensive": {func(s *settings.Settings) {
			s.Throttle.Expensive = settings.ExpensivePool{Workers: 1, MaxQueue: 1, Types: []string{"jpeg"}, Place: time.Second}
		},
			[2]string{"a.jpg", "b.jpg"}, bob},
	} {
		t.Run(name, func(t *testing.T) {
			cl := Start(t, Options{Settings: c.settings})
			landscape(cl, "a.jpg")
			landscape(cl, "b.jpg")
			release := cl.Hooks.Hold()
			first := cl.Go(t.Context(), cl.Edges[0], "/unsafe/100x/"+c.paths[0], alice)
			Eventually(t, "the first render has begun", func() bool { return cl.Hooks.Held() == 1 })
			second := cl.Get(t.Context(), cl.Edges[0], "/unsafe/100x/"+c.paths[1], c.second)
			second.Wants(t, 429)
			if second.Header.Get("Thumbmill-Throttle") != name || second.Header.Get("Retry-After") == "" || !strings.HasPrefix(string(second.Body), throttle.All().Get(throttle.Name(name)).Sentence) {
				t.Errorf("%q %v", second.Body, second.Header)
			}
			release()
			(<-first).Wants(t, 200)
			Eventually(t, "its lease ends", func() bool { return cl.Edges[0].Metric(t, "thumbmill_leases") == 0 })
			cl.Get(t.Context(), cl.Edges[0], "/unsafe/100x/"+c.paths[1], c.second).Wants(t, 200)
		})
	}
}

func TestRolesOfOneProcessHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Edges: 2, Renderers: 2})
	if c.Edges[0].Name() == c.Edges[1].Name() || c.Renderers[0].Name() == c.Renderers[1].Name() {
		t.Errorf("edges %s and %s, renderers %s and %s", c.Edges[0].Name(), c.Edges[1].Name(), c.Renderers[0].Name(), c.Renderers[1].Name())
	}
}
