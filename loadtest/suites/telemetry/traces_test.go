package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	span "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/logging"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestMain(m *testing.M) {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	os.Exit(m.Run())
}

// spans is a collector of OpenTelemetry's protocol over HTTP.
type spans struct {
	server *httptest.Server
	mu     sync.Mutex
	all    map[string]*span.Span // by name
	of     map[string]string     // service by name of a span
}

func collect(t *testing.T) *spans {
	s := &spans{all: map[string]*span.Span{}, of: map[string]string{}}
	s.server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		in := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			in, _ = gzip.NewReader(r.Body)
		}
		body, err := io.ReadAll(in)
		var request collector.ExportTraceServiceRequest
		if err != nil || proto.Unmarshal(body, &request) != nil {
			t.Error("the collector got a body that is not an export of traces")
		}
		s.note(&request)
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *spans) note(request *collector.ExportTraceServiceRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, resource := range request.GetResourceSpans() {
		service := ""
		for _, a := range resource.GetResource().GetAttributes() {
			if a.GetKey() == "service.name" {
				service = a.GetValue().GetStringValue()
			}
		}
		for _, scope := range resource.GetScopeSpans() {
			for _, one := range scope.GetSpans() {
				s.all[one.GetName()], s.of[one.GetName()] = one, service
			}
		}
	}
}

func (s *spans) has(names ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if s.all[name] == nil {
			return false
		}
	}
	return true
}

const (
	outside = "4bf92f3577b34da6a3ce929d0e0e4736" // a trace that a proxy started
	proxy   = "00f067aa0ba902b7"
)

// One trace leads from the proxy's header through the edge, the queue and the renderer to each task
// of a worker.
func TestATraceFollowsARequest(t *testing.T) {
	s := collect(t)
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(x *settings.Settings) { x.Trace.Endpoint, x.Trace.Ratio = s.server.URL+"/v1/traces", 0 }})
	c.Original("drawing.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="90" height="60"><circle cx="40" cy="30" r="20"/></svg>`), nil)
	request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.Edges[0].Addr()+"/unsafe/60x/filters:format(png)/drawing.svg", nil)
	request.Header.Set("Traceparent", "00-"+outside+"-"+proxy+"-01")
	response, err := http.DefaultClient.Do(request)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%+v %v", response, err)
	}
	_ = response.Body.Close()
	parents := map[string]string{
		"request": "", "lookup": "request", "head": "request", "failure": "request", "admit": "request", "publish": "request", "wait for the render": "request",
		"job": "request", "queued": "job", "fetch": "job", "guard": "job", "render": "job", "store": "job", "draw svg": "render", "vips": "render",
	}
	names := []string{}
	for name := range parents {
		names = append(names, name)
	}
	cluster.Eventually(t, "all spans have arrived", func() bool { return s.has(names...) })
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, parent := range parents {
		one := s.all[name]
		if got := hex.EncodeToString(one.GetTraceId()); got != outside {
			t.Errorf("%s is of trace %s", name, got)
		}
		if parent == "" {
			if got := hex.EncodeToString(one.GetParentSpanId()); got != proxy {
				t.Errorf("%s is below %s", name, got)
			}
		} else if !bytes.Equal(one.GetParentSpanId(), s.all[parent].GetSpanId()) {
			t.Errorf("%s is not below %s", name, parent)
		}
		if one.GetEndTimeUnixNano() < one.GetStartTimeUnixNano() {
			t.Errorf("%s ends before it begins", name)
		}
	}
	if s.of["request"] != "thumbmill-edge" || s.of["job"] != "thumbmill-renderer" {
		t.Errorf("the spans are from %s and %s", s.of["request"], s.of["job"])
	}
	w := httptest.NewRecorder()
	promhttp.HandlerFor(c.Edges[0].Registry, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, openMetrics())
	if !strings.Contains(w.Body.String(), `# {trace_id="`+outside+`"}`) {
		t.Error("no bin has the trace as its example")
	}
}

func openMetrics() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text")
	return r
}

// A stranger's header starts no trace, and a dead collector fails no request.
func TestTracesAreNotForStrangers(t *testing.T) {
	s := collect(t)
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(x *settings.Settings) {
		x.Trace.Endpoint, x.Trace.Ratio = s.server.URL+"/v1/traces", 1
		x.Edge.TrustedProxies = nil // the test is then a stranger
	}})
	body, err := samples.JPEG(samples.Landscape(300, 200))
	c.Original("a.jpg", body, err)
	ask := func(path string) {
		t.Helper()
		request, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.Edges[0].Addr()+path, nil)
		request.Header.Set("Traceparent", "00-"+outside+"-"+proxy+"-01")
		response, err := http.DefaultClient.Do(request)
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatalf("%+v %v", response, err)
		}
		_ = response.Body.Close()
	}
	ask("/unsafe/60x/a.jpg")
	cluster.Eventually(t, "the request's span has arrived", func() bool { return s.has("request") })
	s.mu.Lock()
	if hex.EncodeToString(s.all["request"].GetTraceId()) == outside {
		t.Error("a stranger can set the trace")
	}
	s.mu.Unlock()
	s.server.Close()
	ask("/unsafe/61x/a.jpg")
}

func TestLogsNameTheTrace(t *testing.T) {
	var out bytes.Buffer
	log, level := logging.New(settings.Log{Format: "json", Level: "info"}, &out)
	id, _ := trace.TraceIDFromHex(outside)
	within := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
	}))
	log.With("a", 1).InfoContext(within, "said")
	log.DebugContext(within, "not said")
	level.Set(slog.LevelDebug)
	log.Debug("of nothing")
	if text := out.String(); !strings.Contains(text, `"trace_id":"`+outside+`"`) || strings.Contains(text, "not said") || !strings.Contains(text, "of nothing") {
		t.Error(text)
	}
}
