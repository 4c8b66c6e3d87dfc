package bulk

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/queues"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/shared/fault"
)

const (
	patience = 10 * time.Second
	subject  = "uploads"
)

// purger records the purged originals.
type purger struct {
	mu         sync.Mutex
	purged     []string
	incomplete bool
	busy       chan struct{} // each purge waits for it, or for its context; nil: no purge waits
}

func (p *purger) purge(ctx context.Context, original string) bool {
	p.mu.Lock()
	p.purged = append(p.purged, original)
	p.mu.Unlock()
	if p.busy != nil {
		select {
		case <-p.busy:
		case <-ctx.Done():
		}
	}
	return !p.incomplete
}

func (p *purger) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.purged)
}

func listen(t *testing.T, conn *nats.Conn, p *purger, o *obtainer) *Uploads {
	t.Helper()
	u, err := ListenForUploads(UploadsConfig{
		Conn: conn, Subject: subject, Widths: []int{320, 640}, Renderer: o.renderer(1), Purge: p.purge,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (u *Uploads) counted(outcome string) int {
	return int(testutil.ToFloat64(u.outcomes.WithLabelValues(outcome)))
}

func publish(t *testing.T, conn *nats.Conn, text string) {
	t.Helper()
	if err := conn.Publish(subject, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestUploads(t *testing.T) {
	conn := queues.Connect(t, servers.StartNATS(t))
	for name, c := range map[string]struct {
		message   string
		halfGone  bool // the purge is incomplete
		undecoded bool // nothing can be rendered
		outcome   string
		paths     []string // of the rendered thumbnails
	}{
		"an original":                    {message: `{"original":"a.jpg"}`, outcome: handled, paths: []string{"/320/a.jpg", "/640/a.jpg"}},
		"an original with paths":         {message: `{"original":"a.jpg","paths":["/x","/y"]}`, outcome: handled, paths: []string{"/x", "/y"}},
		"an original without thumbnails": {message: `{"original":"a.jpg","paths":[]}`, outcome: handled},
		"an incomplete purge":            {message: `{"original":"a.jpg","paths":["/x"]}`, halfGone: true, outcome: incomplete, paths: []string{"/x"}},
		"a damaged original":             {message: `{"original":"a.jpg","paths":["/x","/y"]}`, undecoded: true, outcome: incomplete, paths: []string{"/x", "/y"}},
		"no JSON":                        {message: `a.jpg`, outcome: unreadable},
		"no original":                    {message: `{"paths":["/x"]}`, outcome: unreadable},
		"an original of two lines":       {message: `{"original":"a\nb"}`, outcome: unreadable},
		"a message that is too large":    {message: `{"original":"` + strings.Repeat("a", maxUpload) + `"}`, outcome: unreadable},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := purger{incomplete: c.halfGone}, obtainer{}
			if c.undecoded {
				o.answers = again(1, fault.New(fault.Undecodable, "damaged"))
			}
			u := listen(t, conn, &p, &o)
			defer u.Close()
			publish(t, conn, c.message)
			eventually.Holds(t, patience, "the message counts as "+c.outcome, func() bool { return u.counted(c.outcome) == 1 })
			var paths []string
			for _, r := range o.asked {
				paths = append(paths, r.Target.Key.Path)
			}
			if !slices.Equal(paths, c.paths) {
				t.Errorf("rendered %q, want %q", paths, c.paths)
			}
			if purged := p.count() == 1; purged != (c.outcome != unreadable) {
				t.Errorf("purged %q", p.purged)
			}
		})
	}
}

// One of several edges takes each message.
func TestEachUploadIsHandledOnce(t *testing.T) {
	conn := queues.Connect(t, servers.StartNATS(t))
	var p purger
	one, other := listen(t, conn, &p, &obtainer{}), listen(t, conn, &p, &obtainer{})
	defer one.Close()
	defer other.Close()
	const messages = 50
	for range messages {
		publish(t, conn, `{"original":"a.jpg","paths":[]}`)
	}
	eventually.Holds(t, patience, "all messages are handled", func() bool { return one.counted(handled)+other.counted(handled) >= messages })
	if p.count() != messages || one.counted(handled) == 0 || other.counted(handled) == 0 {
		t.Errorf("%d purges; one edge handled %d messages, the other %d", p.count(), one.counted(handled), other.counted(handled))
	}
}

// An edge drops and counts messages when uploadsBound messages wait.
func TestTooManyUploads(t *testing.T) {
	conn := queues.Connect(t, servers.StartNATS(t))
	p := purger{busy: make(chan struct{})}
	u := listen(t, conn, &p, &obtainer{})
	text, err := json.Marshal(Upload{Original: "a.jpg", Paths: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	for range uploadsAtOnce {
		publish(t, conn, string(text))
	}
	eventually.Holds(t, patience, "the edge handles uploadsAtOnce messages", func() bool { return p.count() == uploadsAtOnce })
	const more = 3
	for range uploadsBound + more {
		publish(t, conn, string(text))
	}
	eventually.Holds(t, patience, "the edge drops the messages above the bound", func() bool { return u.counted(dropped) == more })
	u.Close() // ends the messages under way, and drops the messages that wait
	if p.count() != uploadsAtOnce || u.counted(incomplete) != uploadsAtOnce || len(u.waiting) != uploadsBound {
		t.Errorf("%d purges, %d of them given up; %d wait", p.count(), u.counted(incomplete), len(u.waiting))
	}
}

func TestAnInvalidSubject(t *testing.T) {
	_, err := ListenForUploads(UploadsConfig{Conn: queues.Connect(t, servers.StartNATS(t)), Subject: "a b", Metrics: prometheus.NewRegistry()})
	if err == nil || !strings.Contains(err.Error(), "upload.subject") {
		t.Errorf("%v", err)
	}
}
