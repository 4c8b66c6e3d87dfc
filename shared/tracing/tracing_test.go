package tracing

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// Spans go to the collector's own path, with and without a slash at the end of trace.endpoint.
func TestASlashAtTheEnd(t *testing.T) {
	for _, end := range []string{"", "/", "/v1/traces"} {
		paths := make(chan string, 1)
		collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { paths <- r.URL.Path }))
		tracer, err := New(settings.Trace{Endpoint: collector.URL + end, Ratio: 1}, "edge", "a", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		_, span := tracer.Start(t.Context(), "x")
		span.End()
		if err := tracer.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if path := <-paths; path != "/v1/traces" {
			t.Errorf("with %q at the end, spans go to %s", end, path)
		}
		collector.Close()
	}
}
