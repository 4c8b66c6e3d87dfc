// Package logging makes a process' log of its settings.
//
// Every process of thumbmill uses it.
package logging

import (
	"context"
	"io"
	"log/slog"

	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// New makes the log as the settings have it, and what changes its level later. Lines
// about a request that is traced name the trace.
func New(s settings.Log, out io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := &slog.LevelVar{}
	_ = level.UnmarshalText([]byte(s.Level)) // settings allow only valid ones
	options := &slog.HandlerOptions{Level: level}
	if s.Format == "json" {
		return slog.New(traced{slog.NewJSONHandler(out, options)}), level
	}
	return slog.New(traced{slog.NewTextHandler(out, options)}), level
}

// traced adds the trace of the context. It embeds the handler to be one.
type traced struct{ slog.Handler }

func (t traced) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return t.Handler.Handle(ctx, r)
}

func (t traced) WithAttrs(all []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(all)} }
func (t traced) WithGroup(name string) slog.Handler     { return traced{t.Handler.WithGroup(name)} }
