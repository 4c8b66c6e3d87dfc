package web

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// beginTrace begins the request's span, in the trace of a trusted proxy or in a new trace.
func (x *exchange) beginTrace() {
	ctx := x.r.Context()
	if x.client.Trusted {
		ctx = tracing.Within(ctx, x.r.Header.Get(tracing.Parent))
	}
	ctx, x.span = x.handler.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(x.began),
		trace.WithAttributes(attribute.String("http.request.method", x.r.Method), attribute.String("thumbmill.request", x.id)))
	x.r = x.r.WithContext(ctx)
}

// traceHeader returns the trace of the request for its job, or "".
func (x *exchange) traceHeader() string {
	if x.span == nil {
		return ""
	}
	return tracing.Header(x.r.Context())
}

// traceSteps adds a span for each step that this edge measured.
func (x *exchange) traceSteps(steps obtain.Times) {
	if x.span == nil || !x.span.IsRecording() {
		return
	}
	for _, s := range steps {
		if s.Ended.IsZero() {
			continue // the renderer sends this span
		}
		name := s.Name
		if name == "render" { // a span of the renderer has this name
			name = "wait for the render"
		}
		x.handler.tracer.Step(x.r.Context(), name, s.Ended.Add(-s.Took), s.Ended)
	}
}

func (x *exchange) endTrace() {
	x.span.SetAttributes(attribute.String("url.path", x.r.URL.Path), attribute.String("thumbmill.grammar", x.grammar),
		attribute.String("thumbmill.outcome", x.outcome))
	if x.refused >= http.StatusInternalServerError {
		x.span.SetStatus(codes.Error, x.outcome)
	}
	x.span.End()
}
