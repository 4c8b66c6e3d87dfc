package edge

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/objectstore/open"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config returns the configuration of an edge with its own queue and with upload.subject.
func config(t *testing.T) Config {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	s := settings.Default()
	s.NATS.URL = servers.StartNATS(t).Settings().URL
	s.Edge.Listen, s.Upload.Subject = "127.0.0.1:0", "uploads"
	s.Coordinator.Servers = []string{"127.0.0.1:1"}
	s.Store.Originals.Path, s.Store.Thumbnails.Path = t.TempDir(), t.TempDir()
	stores, err := open.New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stores.Close() })
	return Config{Settings: s, Stores: stores, Log: log, Metrics: prometheus.NewRegistry()}
}

func TestAnEdgeStartsAndStops(t *testing.T) {
	e, err := New(config(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Ready(); err == nil || !strings.Contains(err.Error(), "no renderer") {
		t.Errorf("without a renderer: %v", err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + e.Addr() + "/healthcheck")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if string(text) != "WORKING" {
		t.Errorf("%s %q", response.Status, text)
	}
	for _, time := range []string{"first", "second"} {
		if err := e.Stop(t.Context()); err != nil {
			t.Errorf("the %s stop: %v", time, err)
		}
	}
	if _, err := net.Dial("tcp", e.Addr()); err == nil {
		t.Error("the edge listens after Stop")
	}
}

// Each setting fails at another step of build. New then stops the parts that it made; TestMain
// finds the goroutines that are left.
func TestAnEdgeThatCannotBeMadeLeavesNothing(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	for name, c := range map[string]struct {
		set  func(*settings.Settings)
		says string
	}{
		"coordinator.ca":       {func(s *settings.Settings) { s.Coordinator.CA = "absent" }, "coordinator.ca"},
		"edge.trusted_proxies": {func(s *settings.Settings) { s.Edge.TrustedProxies = []string{"everybody"} }, "edge.trusted_proxies"},
		"edge.listen":          {func(s *settings.Settings) { s.Edge.Listen = taken.Addr().String() }, "edge.listen"},
	} {
		t.Run(name, func(t *testing.T) {
			config := config(t)
			c.set(&config.Settings)
			e, err := New(config)
			if err == nil || e != nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestImpossibleNamesOfOriginals(t *testing.T) {
	for name, want := range map[string]bool{
		"a/b.jpg": false, "container/a/ab/B.jpg": false, "https://site.example/a.jpg?x=/../y": false, "http://site.example//a.jpg": false,
		"": true, "../secret": true, "/etc/passwd": true, "a//b.jpg": true, "a\nb.jpg": true, "https://": true, strings.Repeat("x", 2000): true,
	} {
		if got := impossible(name); got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
		if !want {
			continue
		}
		body, err := json.Marshal(operators.PurgeRequest{Originals: []string{"a.jpg", name}})
		if err != nil {
			t.Fatal(err)
		}
		r, w := httptest.NewRequest(http.MethodPost, operators.Purge, bytes.NewReader(body)), httptest.NewRecorder()
		r.Header.Set("Content-Type", "application/json")
		(&Edge{}).purge(w, r) // without a purger: no purge begins
		if w.Code != http.StatusBadRequest {
			t.Errorf("a purge of %q: %d %s", name, w.Code, w.Body)
		}
	}
}
