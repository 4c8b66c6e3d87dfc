// Package logging creates the log of a process from its settings.
package logging

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	slogjournal "github.com/systemd/slog-journal"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// New returns the log, and a variable that changes its level. Lines about a traced request have the
// fields trace_id and span_id.
func New(s settings.Log, out io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := &slog.LevelVar{}
	_ = level.UnmarshalText([]byte(s.Level)) // settings.Load refuses other levels
	return slog.New(traced{handler(s.Format, level, out)}), level
}

func handler(format string, level slog.Leveler, out io.Writer) slog.Handler {
	options := &slog.HandlerOptions{Level: level}
	switch format {
	case "json":
		return slog.NewJSONHandler(out, options)
	case "journal":
		if h, err := fields(level); err == nil {
			return h
		}
	}
	return slog.NewTextHandler(out, options)
}

// fields returns a handler that sends fields to systemd's journal: the field original of a line is
// ORIGINAL there. It fails if stderr is not a stream of the journal, such as in a container.
func fields(level slog.Leveler) (slog.Handler, error) {
	if is, err := journal.StderrIsJournalStream(); err != nil || !is {
		return nil, errors.Join(errors.New("stderr is not a stream of systemd's journal"), err)
	}
	return slogjournal.NewHandler(&slogjournal.Options{Level: level, ReplaceGroup: strings.ToUpper, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		return slog.String(strings.ToUpper(a.Key), a.Value.String()) // a duration as text, such as 1.5s
	}})
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
