package web

import (
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// beginTrace begins the request's span: part of the trusted proxy's trace, or a new one.
func (x *exchange) beginTrace() {
	ctx := x.r.Context()
	if x.client.Trusted {
		ctx = tracing.Within(ctx, x.r.Header.Get(tracing.Parent))
	}
	ctx, x.span = x.handler.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(x.began),
		trace.WithAttributes(attribute.String("http.request.method", x.r.Method), attribute.String("thumbmill.request", x.id)))
	x.r = x.r.WithContext(ctx)
}

// traceHeader is for the job that the request may lead to.
func (x *exchange) traceHeader() string {
	if x.span == nil {
		return ""
	}
	return tracing.Header(x.r.Context())
}

// traceSteps tells of the steps that are over.
func (x *exchange) traceSteps(steps obtain.Times) {
	if x.span == nil || !x.span.IsRecording() {
		return
	}
	for _, s := range steps {
		if s.Ended.IsZero() {
			continue // the renderer tells of it
		}
		name := s.Name
		if name == "render" { // the renderer's own has this name
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
