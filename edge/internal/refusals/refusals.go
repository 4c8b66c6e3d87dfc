// Package refusals logs why an edge refuses requests, so that an operator sees each cause at once and a
// flood does not fill the log: the first refusal of a cause, then one line a minute with the number of
// the others.
package refusals

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/shared/periodic"
)

// every is the time between two lines of one cause.
const every = time.Minute

// Refusal is one refused request.
type Refusal struct {
	Cause  string // of a bounded set: the name of a throttle, or the kind of a fault
	Client string
	Path   string // of the URL, with the original
	Remedy string // the change that helps; of a bounded set. Refusals of a cause with different remedies have lines of their own
	Error  error
}

// Log logs refusals, and is a part of the edge (service.Part). Its methods are safe for concurrent use.
type Log struct {
	log    *slog.Logger
	mu     sync.Mutex
	causes map[kind]*cause
	group  sync.WaitGroup

	running context.Context //nolint:containedctx // its end is the log's
	stop    context.CancelFunc
}

// kind has the refusals of one line. Its remedy tells apart causes of one fault, such as hosts that are not listed
// and closed networks.
type kind struct{ cause, remedy string }

type cause struct {
	at   time.Time // of the last line
	more int       // refusals since
	last Refusal   // of these
}

// New makes a log.
func New(log *slog.Logger) *Log {
	running, stop := context.WithCancel(context.Background())
	return &Log{log: log, causes: map[kind]*cause{}, running: running, stop: stop}
}

// Start begins to log the numbers of refusals that no later refusal would bring into the log.
func (l *Log) Start(context.Context) error {
	l.group.Go(func() { periodic.Do(l.running, every/10, func(context.Context) { l.tell(time.Now(), every) }) })
	return nil
}

// Stop logs the numbers that are left.
func (l *Log) Stop(context.Context) error {
	l.stop()
	l.group.Wait()
	l.tell(time.Now(), 0)
	return nil
}

// Note logs a refusal if it is the first of its cause in a minute, and counts it otherwise.
func (l *Log) Note(r Refusal) {
	if more, due := l.due(r, time.Now()); due {
		l.write(r, more)
	}
}

func (l *Log) write(r Refusal, more int) {
	l.log.LogAttrs(context.Background(), slog.LevelInfo, "refuse requests", slog.String("cause", r.Cause), slog.String("client", r.Client),
		slog.String("path", r.Path), slog.Int("others_since_last_line", more), slog.String("remedy", r.Remedy), slog.Any("error", r.Error))
}

func (l *Log) due(r Refusal, now time.Time) (more int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.causes[kind{r.Cause, r.Remedy}]
	if c == nil {
		c = &cause{}
		l.causes[kind{r.Cause, r.Remedy}] = c
	}
	if now.Sub(c.at) < every {
		c.more, c.last = c.more+1, r
		return 0, false
	}
	more, c.more, c.at = c.more, 0, now
	return more, true
}

// tell logs the last refusal of each cause whose last line is old and which had more refusals since.
func (l *Log) tell(now time.Time, age time.Duration) {
	l.mu.Lock()
	var due []cause
	for _, c := range l.causes {
		if c.more > 0 && now.Sub(c.at) >= age {
			due = append(due, *c)
			c.more, c.at, c.last = 0, now, Refusal{}
		}
	}
	l.mu.Unlock()
	for _, c := range due {
		l.write(c.last, c.more-1)
	}
}
