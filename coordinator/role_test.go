package coordinator

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// config returns the configuration of a coordinator on loopback, and its log.
func config(s settings.Coordinator) (Config, *strings.Builder) {
	if len(s.Listen) == 0 {
		s.Listen = []string{"127.0.0.1:0"}
	}
	log := &strings.Builder{}
	return Config{Settings: s, Log: slog.New(slog.NewTextHandler(log, nil)), Metrics: prometheus.NewRegistry()}, log
}

func stop(t *testing.T, c *Coordinator) {
	t.Helper()
	if err := c.Stop(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestItIsReadyWhileItServes(t *testing.T) {
	made, _ := config(settings.Coordinator{})
	c, err := New(made)
	if err != nil {
		t.Fatal(err)
	}
	if c.Ready() == nil {
		t.Error("the coordinator is ready before its start")
	}
	if err := c.Start(t.Context()); err != nil || c.Ready() != nil {
		t.Errorf("after the start: %v %v", err, c.Ready())
	}
	connect(t, c.Addr(), "edge", "")
	for range 2 {
		if stop(t, c); c.Ready() == nil {
			t.Error("the coordinator is ready after its stop")
		}
	}
	if _, err := http.Get("http://" + c.Addr()); err == nil {
		t.Error("the coordinator still listens")
	}
}

func TestStopWithoutStartFreesTheAddresses(t *testing.T) {
	first, _ := config(settings.Coordinator{})
	c, err := New(first)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, c)
	again, _ := config(settings.Coordinator{Listen: c.Addrs()})
	if c, err = New(again); err != nil {
		t.Fatal(err)
	}
	stop(t, c)
}

func TestWhatItIsNotMadeOf(t *testing.T) {
	taken := start(t, settings.Coordinator{})
	for name, c := range map[string]struct {
		settings settings.Coordinator
		want     string
	}{
		"no address":         {settings.Coordinator{Listen: []string{"256.0.0.1:0"}}, "coordinator.listen"},
		"an address in use":  {settings.Coordinator{Listen: []string{"127.0.0.1:0", taken.Addr()}}, "coordinator.listen"},
		"a wrong network":    {settings.Coordinator{Classic: []string{"here"}}, "coordinator.classic"},
		"an absent key file": {settings.Coordinator{TLS: settings.ServerTLS{Certificate: "absent", Key: "absent"}}, "coordinator.tls"},
	} {
		t.Run(name, func(t *testing.T) {
			made, _ := config(c.settings)
			if co, err := New(made); co != nil || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v %v, want %q", co, err, c.want)
			}
		})
	}
}

func TestItWarnsOfAnOpenDoor(t *testing.T) {
	socket := "unix:" + filepath.Join(t.TempDir(), "s")
	for name, c := range map[string]struct {
		settings settings.Coordinator
		warns    bool
	}{
		"all addresses, no secret":   {settings.Coordinator{Listen: []string{":0"}}, true},
		"one exposed address of two": {settings.Coordinator{Listen: []string{socket, "0.0.0.0:0"}}, true},
		"a secret":                   {settings.Coordinator{Listen: []string{":0"}, Secret: "0123456789abcdef"}, false},
		"only this machine":          {settings.Coordinator{Listen: []string{socket, "127.0.0.1:0"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			made, log := config(c.settings)
			co, err := New(made)
			if err != nil {
				t.Fatal(err)
			}
			stop(t, co)
			if warns := strings.Contains(log.String(), "find coordinator.secret unset"); warns != c.warns {
				t.Errorf("the log is %q", log)
			}
		})
	}
}

// operatorsListener serves the API like the command's listener.
func operatorsListener(t *testing.T, c *Coordinator) string {
	t.Helper()
	mux := http.NewServeMux()
	for _, path := range APIPaths() {
		mux.Handle(path, c.API())
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

func TestAPIPaths(t *testing.T) {
	base := operatorsListener(t, start(t, settings.Coordinator{}))
	for path, want := range map[string]string{
		"/": "<!doctype html>", "/page.js": "EventSource", "/page.css": "{", "/api/v1/throttles": `"classes"`,
		"/api/v1/throttles/history": `"step"`, "/api/v1/directives": `"directives":[]`, "/api/v1/directives/": "404", "/elsewhere": "404",
	} {
		if body := string(get(t, base+path)); !strings.Contains(strings.ToLower(body), strings.ToLower(want)) {
			t.Errorf("%s: %.200q, want %q", path, body, want)
		}
	}
}

// An open stream does not keep the coordinator from stopping.
func TestStopEndsStreams(t *testing.T) {
	c := start(t, settings.Coordinator{})
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	response, err := client.Get(operatorsListener(t, c) + "/api/v1/throttles/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	in := bufio.NewReader(response.Body)
	if line, err := in.ReadString('\n'); err != nil || line != "event: throttles\n" {
		t.Errorf("%q %v", line, err)
	}
	stop(t, c)
	if _, err := io.Copy(io.Discard, in); err != nil {
		t.Errorf("the stream ends with %v", err)
	}
}

func TestMetrics(t *testing.T) {
	made, _ := config(settings.Coordinator{})
	c, err := New(made)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer stop(t, c)
	e := connect(t, c.Addr(), "edge", "", lease.Rule{Name: "lane:bulk", Workers: 1, MaxQueue: 1})
	e.ask(lease.KindAcquire, 1, "lane:bulk")
	e.hears(1, lease.KindGranted)
	e.ask(lease.KindAcquire, 2, "lane:bulk")
	e.hears(2, lease.KindRefused)
	e.ask(lease.KindClaim, 3, "lane:bulk")
	e.ask(lease.KindAcquire, 4, "lane:bulk")
	e.hears(4, lease.KindRefused)
	values := gather(t, made.Metrics.(*prometheus.Registry))
	for name, want := range map[string]float64{
		"thumbmill_pool_holders lane": 2, "thumbmill_pool_waiters lane": 0, "thumbmill_pool_refusals_total lane full": 2,
		"thumbmill_pool_refusals_total lane timeout": 0, "thumbmill_throttle_near_limit_total lane": 3, "thumbmill_throttle_shadowed_total lane": 0,
		"thumbmill_coordinator_clients": 1, "thumbmill_coordinator_differing_rules": 0, "thumbmill_coordinator_claims_total": 1,
		"thumbmill_coordinator_vanished_total": 0, "thumbmill_renderers_wanted": 1, "thumbmill_pool_wait_seconds lane": 1,
	} {
		if got, ok := values[name]; !ok || got != want {
			t.Errorf("%s is %v, %v; want %v", name, got, ok, want)
		}
	}
}

// gather returns each metric by its name and label values; for a histogram its count.
func gather(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			values[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}
