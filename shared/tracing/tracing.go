// Package tracing sends traces by OpenTelemetry's protocol over HTTP: one for each
// request that is sampled, from an edge through the queue into the renderer and each of
// its workers' tasks. Edges and renderers use it.
//
// Workers have no network, so the renderer sends the spans of their tasks.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/version"
)

// Parent is the name of the header that says which trace and span a request or a job is
// part of (W3C Trace Context).
const Parent = "traceparent"

// Tracer creates spans. Without a collector it creates empty ones.
type Tracer struct {
	spans    trace.Tracer
	provider *sdk.TracerProvider // nil: none
}

// None returns a tracer without a collector.
func None() *Tracer { return &Tracer{spans: noop.Tracer{}} }

// withPath returns a collector's URL without the slash of an empty path. The library sends spans to the
// path "/" otherwise, where no collector takes them, instead of its default path.
func withPath(endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && u.Path == "/" {
		return strings.TrimSuffix(endpoint, "/")
	}
	return endpoint
}

// New returns the tracer of a role, or an error for a malformed trace.endpoint. It sends spans in
// the background, and drops spans that the collector does not accept in time.
func New(s settings.Trace, role, name string, log *slog.Logger) (*Tracer, error) {
	if s.Endpoint == "" {
		return None(), nil
	}
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(withPath(s.Endpoint)), otlptracehttp.WithTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("trace.endpoint: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("send traces fails", "error", err) })) // of the process: the library knows no other
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(exporter, sdk.WithBatchTimeout(time.Second)),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(s.Ratio))),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "thumbmill-"+role), attribute.String("service.instance.id", name),
			attribute.String("service.version", version.Text()),
		)))
	return &Tracer{provider.Tracer("thumbmill/" + role), provider}, nil
}

// Start begins a span and returns it with its context. The caller ends the span.
func (t *Tracer) Start(ctx context.Context, name string, options ...trace.SpanStartOption) (context.Context, trace.Span) {
	return t.spans.Start(ctx, name, options...)
}

// On reports whether a collector is configured.
func (t *Tracer) On() bool { return t.provider != nil }

// Stop sends the spans that are not sent yet, at most until ctx ends.
func (t *Tracer) Stop(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Step records a span that has ended already.
func (t *Tracer) Step(ctx context.Context, name string, began, ended time.Time, what ...attribute.KeyValue) {
	_, span := t.Start(ctx, name, trace.WithTimestamp(began), trace.WithAttributes(what...))
	span.End(trace.WithTimestamp(ended))
}

// Header returns the value of the header Parent for the span of a context, or "".
func Header(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[Parent]
}

// Within returns a context within the span that a header names. It ignores a malformed header.
func Within(ctx context.Context, header string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{Parent: header})
}

// ID returns the trace ID of a context, or "" if the trace is not sampled.
func ID(ctx context.Context) string {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		return span.TraceID().String()
	}
	return ""
}
