// Package refusals logs why an edge refuses requests, so that an operator sees each cause at once and a
// flood does not fill the log: the first refusal of a cause, then one line a minute with the number of
// the others.
package refusals

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// every is the time between two lines of one cause.
const every = time.Minute

// Refusal is one refused request.
type Refusal struct {
	Cause  string // of a bounded set: the name of a throttle, or the kind of a fault
	Client string
	Path   string // of the URL, with the original
	Remedy string // the change that helps
	Error  error
}

// Log logs refusals. Its methods are safe for concurrent use.
type Log struct {
	log    *slog.Logger
	mu     sync.Mutex
	causes map[string]*cause
}

type cause struct {
	at   time.Time // of the last line
	more int       // refusals since
}

// New makes a log.
func New(log *slog.Logger) *Log { return &Log{log: log, causes: map[string]*cause{}} }

// Note logs a refusal if it is the first of its cause in a minute, and counts it otherwise.
func (l *Log) Note(r Refusal) {
	more, due := l.due(r.Cause, time.Now())
	if !due {
		return
	}
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "refuse requests", slog.String("cause", r.Cause), slog.String("client", r.Client),
		slog.String("path", r.Path), slog.Int("others_since_last_line", more), slog.String("remedy", r.Remedy), slog.Any("error", r.Error))
}

func (l *Log) due(name string, now time.Time) (more int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.causes[name]
	if c == nil {
		c = &cause{}
		l.causes[name] = c
	}
	if now.Sub(c.at) < every {
		c.more++
		return 0, false
	}
	more, c.more, c.at = c.more, 0, now
	return more, true
}
