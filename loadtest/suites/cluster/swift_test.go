package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ncw/swift/v2"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/objectstore/swiftstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// onSwift is a cluster with originals and thumbnails in a real Swift, behind a proxy that can
// disturb requests.
type onSwift struct {
	cluster *Cluster
	swift   servers.SwiftServer
	link    *wire.Disturbed
	direct  *swiftstore.Store // past the proxy
	number  int
}

const longest = 40 * time.Second // a client's patience: slightly more than edge.deadline

func startOnSwift(t *testing.T) *onSwift {
	t.Helper()
	s := &onSwift{swift: servers.StartSwift(t, "")}
	s.link = wire.Disturb(t, strings.TrimSuffix(s.swift.Bucket.AuthURL, "/auth/v1.0"))
	s.direct = swiftstore.New(s.swift.Bucket)
	t.Cleanup(func() { _ = s.direct.Close() })
	s.cluster = Start(t, Options{Workers: true, Settings: func(o *settings.Settings) {
		o.Store.Originals, o.Store.Thumbnails = s.swift.Bucket, s.swift.Bucket
		o.Store.Originals.Container, o.Store.Thumbnails.Container = "originals", "thumbnails"
		for _, b := range []*storeconfig.Bucket{&o.Store.Originals, &o.Store.Thumbnails} {
			b.AuthURL = s.link.URL + "/auth/v1.0"
		}
		o.Edge.Deadline = longest - 5*time.Second
	}})
	return s
}

// upload stores an original in Swift under a new name.
func (s *onSwift) upload(t *testing.T) string {
	t.Helper()
	s.number++
	name := fmt.Sprintf("%d.jpg", s.number)
	s.cluster.must(s.direct.Put(t.Context(), thumbnail.Location{Container: "originals", Path: name}, picture(t, 300, 200+s.number), objectstore.Meta{ContentType: "image/jpeg"}))
	return name
}

// get requests a thumbnail, and checks that the answer is a picture or a clear refusal.
func (s *onSwift) get(t *testing.T, name string) Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longest)
	defer cancel()
	answer := s.cluster.Get(ctx, s.cluster.Edges[0], "/unsafe/60x/"+name, alice)
	switch {
	case answer.Err != nil:
		t.Errorf("no answer: %v", answer.Err)
	case answer.Status == 200:
		if got := size(t, answer.Body); !strings.HasPrefix(got, "60x") {
			t.Errorf("a picture of %s", got)
		}
	case answer.Status < 500 || len(answer.Body) < 10 || answer.Header.Get("Retry-After") == "":
		t.Errorf("no clear refusal: %d %q", answer.Status, answer.Body)
	}
	return answer
}

// stored reports whether the thumbnail is stored. It bypasses the proxy, and fails the test if the
// thumbnail is incomplete.
func (s *onSwift) stored(t *testing.T, name string) bool {
	t.Helper()
	all, err := s.direct.List(t.Context(), thumbnail.Location{Container: "thumbnails", Path: "thumbor/" + name + "/"}, "")
	s.cluster.must(err)
	for _, at := range all {
		object, info, err := s.direct.Open(t.Context(), at)
		if errors.Is(err, objectstore.ErrNotFound) {
			return false // deleted since it was listed
		}
		s.cluster.must(err)
		body, err := io.ReadAll(object)
		_ = object.Close()
		if err != nil || int64(len(body)) != info.Size || !strings.HasPrefix(size(t, body), "60x") {
			t.Errorf("half a thumbnail: %d of %d bytes, %v", len(body), info.Size, err)
		}
	}
	return len(all) > 0
}

func (s *onSwift) noneFails(t *testing.T) {
	t.Helper()
	w := httptest.NewRecorder()
	s.cluster.Edges[0].API().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/failing", nil))
	if strings.TrimSpace(w.Body.String()) != `{"failing":[]}` {
		t.Errorf("a good original is remembered as failing: %s", w.Body)
	}
}

func concerning(method, container string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return r.Method == method && strings.Contains(r.URL.Path, "/"+container+"/")
	}
}

// In every failure of Swift, the client gets a picture or a clear refusal in time, no incomplete
// thumbnail is stored, and no good original counts as failing. When Swift recovers, the cluster
// recovers too.
func TestASwiftThatMisbehaves(t *testing.T) {
	t.Parallel()
	s := startOnSwift(t)
	s.get(t, s.upload(t)) // makes the container
	for _, c := range []struct {
		name     string
		concerns func(*http.Request) bool
		do       wire.Disturbance
		status   int // the client's status; 0 means either
		stored   bool
	}{
		{"slow head of an original", concerning("HEAD", "originals"), wire.Slow(800 * time.Millisecond), 200, true},
		{"slow original", concerning("GET", "originals"), wire.Slow(800 * time.Millisecond), 200, true},
		{"slow to store", concerning("PUT", "thumbnails"), wire.Slow(800 * time.Millisecond), 200, true},
		{"slow for all", func(*http.Request) bool { return true }, wire.Slow(200 * time.Millisecond), 200, true},
		{"silent about an original", concerning("HEAD", "originals"), wire.Slow(time.Minute), 502, false},
		{"silent instead of giving an original", concerning("GET", "originals"), wire.Slow(time.Minute), 502, false},
		{"503 for an original's head", concerning("HEAD", "originals"), wire.Answer(503), 502, false},
		{"503 for an original", concerning("GET", "originals"), wire.Answer(503), 502, false},
		{"503 for a thumbnail", concerning("GET", "thumbnails"), wire.Answer(503), 503, false},
		{"503 for a write", concerning("PUT", "thumbnails"), wire.Answer(503), 200, false},
		{"an original that breaks off once", concerning("GET", "originals"), wire.Once(wire.Truncate), 200, true},
		{"an original that breaks off always", concerning("GET", "originals"), wire.Truncate, 0, false},
		{"an original whose checksum is wrong", concerning("GET", "originals"), wire.Corrupt, 502, false},
		{"a write that arrives damaged", concerning("PUT", "thumbnails"), wire.Corrupt, 200, false},
		{"a token that expires before the original", concerning("GET", "originals"), wire.Once(wire.Answer(401)), 200, true},
		{"a token that expires before the write", concerning("PUT", "thumbnails"), wire.Once(wire.Answer(401)), 200, true},
		{"a container that is missing", concerning("PUT", "thumbnails"), wire.Once(wire.Answer(404)), 200, true},
		{"full", concerning("PUT", "thumbnails"), wire.Answer(507), 200, false},
		{"read-only", concerning("PUT", "thumbnails"), wire.Answer(403), 200, false},
	} {
		name := s.upload(t)
		s.link.Do(c.concerns, c.do)
		answer := s.get(t, name)
		s.cluster.Renders() // until the write has ended
		if s.link.Undo() == 0 {
			t.Errorf("%s: nothing was disturbed", c.name)
		}
		if c.status != 0 && answer.Status != c.status {
			t.Errorf("%s: %d %.200q", c.name, answer.Status, answer.Body)
		}
		if got := s.stored(t, name); got != c.stored && c.status != 0 {
			t.Errorf("%s: stored is %v", c.name, got)
		}
		s.noneFails(t)
		s.recovers(t, c.name, name)
	}
}

// recovers waits until thumbnails are served and stored again, within the breaker's time.
func (s *onSwift) recovers(t *testing.T, after, name string) {
	t.Helper()
	Eventually(t, "thumbnails are served and stored after: "+after, func() bool {
		answer := s.cluster.Get(t.Context(), s.cluster.Edges[0], "/unsafe/60x/"+name, alice)
		s.cluster.Renders()
		return answer.Status == 200 && s.stored(t, name)
	})
}

// The real servers stop, forget their tokens, and refuse writes above a container's limit.
func TestASwiftWhoseServersStop(t *testing.T) {
	t.Parallel()
	s := startOnSwift(t)
	s.get(t, s.upload(t))
	for _, server := range []string{"object", "container", "proxy"} {
		name := s.upload(t)
		s.swift.Signal(server, syscall.SIGSTOP)
		began := time.Now()
		s.get(t, name)
		if took := time.Since(began); took > longest {
			t.Errorf("%s stopped: the answer took %v", server, took)
		}
		s.swift.Signal(server, syscall.SIGCONT)
		s.recovers(t, server+" stopped", name)
		s.noneFails(t)
	}
	name := s.upload(t)
	s.swift.ForgetTokens()
	if answer := s.get(t, name); answer.Status != 200 {
		t.Errorf("tokens forgotten: %d %.200q", answer.Status, answer.Body)
	}
	s.cluster.Renders()
	if !s.stored(t, name) {
		t.Error("tokens forgotten: nothing is stored")
	}
	s.fullContainer(t)
}

// fullContainer fills a container. The store then reports the state full, and clients still get pictures.
func (s *onSwift) fullContainer(t *testing.T) {
	t.Helper()
	conn := &swift.Connection{AuthUrl: s.swift.Bucket.AuthURL, UserName: s.swift.Bucket.User, ApiKey: string(s.swift.Bucket.Key), Transport: &http.Transport{DisableKeepAlives: true}}
	limit := func(bytes string) {
		s.cluster.must(conn.ContainerUpdate(t.Context(), "thumbnails", swift.Headers{"X-Container-Meta-Quota-Bytes": bytes}))
	}
	limit("1")
	name := s.upload(t)
	if answer := s.get(t, name); answer.Status != 200 {
		t.Errorf("over the container's limit: %d %.200q", answer.Status, answer.Body)
	}
	s.cluster.Renders()
	if s.stored(t, name) {
		t.Error("over the container's limit: the thumbnail was stored")
	}
	limit("")
	s.recovers(t, "the container's limit", name)
}
