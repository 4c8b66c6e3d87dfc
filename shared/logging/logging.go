// Package logging creates the log of a process from its settings.
package logging

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// New returns the log, and a variable that changes its level. Lines about a traced request have the
// fields trace_id and span_id.
func New(s settings.Log, out io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := &slog.LevelVar{}
	_ = level.UnmarshalText([]byte(s.Level)) // settings.Load refuses other levels
	options := &slog.HandlerOptions{Level: level}
	if s.Format == "json" {
		return slog.New(traced{slog.NewJSONHandler(out, options)}), level
	}
	return slog.New(traced{slog.NewTextHandler(out, options)}), level
}

// traced is a slog.Handler that adds the trace of the context.
type traced struct{ slog.Handler }

func (t traced) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return t.Handler.Handle(ctx, r)
}

func (t traced) WithAttrs(all []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(all)} }
func (t traced) WithGroup(name string) slog.Handler     { return traced{t.Handler.WithGroup(name)} }
