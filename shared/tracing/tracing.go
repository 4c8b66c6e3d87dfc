// Package tracing sends traces by OpenTelemetry's protocol over HTTP: one for each
// request that is sampled, from an edge through the queue into the renderer and each of
// its workers' tasks. Edges and renderers use it.
//
// Decoders run where there is no network; what they do is told by the renderer around them.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
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

// Tracer makes spans, or none where no collector is configured.
type Tracer struct {
	trace.Tracer
	provider *sdk.TracerProvider // nil: none
}

// None makes no spans.
func None() *Tracer { return &Tracer{Tracer: noop.Tracer{}} }

// New makes the tracer of a role. It sends in the background; what the collector does not
// take in time is dropped.
func New(s settings.Trace, role, name string, log *slog.Logger) (*Tracer, error) {
	if s.Endpoint == "" {
		return None(), nil
	}
	exporter, err := otlptracehttp.New(context.Background(), otlptracehttp.WithEndpointURL(s.Endpoint), otlptracehttp.WithTimeout(5*time.Second))
	if err != nil {
		return nil, fmt.Errorf("trace.endpoint: %w", err)
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Debug("traces", "error", err) })) // of the process: the library knows no other
	provider := sdk.NewTracerProvider(
		sdk.WithBatcher(exporter, sdk.WithBatchTimeout(time.Second)),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(s.Ratio))),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "thumbmill-"+role), attribute.String("service.instance.id", name),
			attribute.String("service.version", version.Text()),
		)))
	return &Tracer{provider.Tracer("thumbmill/" + role), provider}, nil
}

// On reports whether there is a collector.
func (t *Tracer) On() bool { return t.provider != nil }

// Stop sends what is left, at most until ctx ends.
func (t *Tracer) Stop(ctx context.Context) error {
	if t.provider == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Step is a span of something that is over.
func (t *Tracer) Step(ctx context.Context, name string, began, ended time.Time, what ...attribute.KeyValue) {
	_, span := t.Start(ctx, name, trace.WithTimestamp(began), trace.WithAttributes(what...))
	span.End(trace.WithTimestamp(ended))
}

// Header writes the span of a context as Parent has it; "" where there is none.
func Header(ctx context.Context) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[Parent]
}

// Within makes a context within the span that a header names; what is no header changes nothing.
func Within(ctx context.Context, header string) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{Parent: header})
}

// ID is the trace of a context, where that is sampled, else "".
func ID(ctx context.Context) string {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		return span.TraceID().String()
	}
	return ""
}
