package bulk

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/queue"
)

const (
	uploadsQueue  = "thumbmill-uploads" // one edge takes each message
	uploadsBound  = 10_000              // messages that wait on one edge
	uploadsAtOnce = 4
	maxUpload     = 16 << 10 // bytes of a message
	uploadTime    = 5 * time.Minute
)

// Upload is a message that tells of a new original, or of a new version of one.
type Upload struct {
	Original string   `json:"original"` // as purges name it
	Paths    []string `json:"paths"`    // thumbnails to render, instead of the usual widths
}

// Uploads listens for new originals: old thumbnails are purged, and those that will be
// asked for first are rendered.
type Uploads struct {
	renderer *Renderer
	purge    func(ctx context.Context, original string) (complete bool)
	widths   []int
	log      *slog.Logger
	sub      *nats.Subscription
	messages chan *nats.Msg
	cancel   context.CancelFunc
	group    sync.WaitGroup
	handled  *prometheus.CounterVec
}

// ListenForUploads begins to listen on a subject.
func ListenForUploads(conn *nats.Conn, subject string, widths []int, r *Renderer, purge func(context.Context, string) bool, log *slog.Logger, metrics prometheus.Registerer) (*Uploads, error) {
	u := &Uploads{renderer: r, purge: purge, widths: widths, log: log, messages: make(chan *nats.Msg, uploadsBound)}
	u.handled = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_uploads_total", Help: "Messages of new originals: ok, failed (not all was purged, or some thumbnail not rendered), unreadable, dropped (too many waited).",
	}, []string{"outcome"})
	metrics.MustRegister(u.handled)
	var err error
	if u.sub, err = queue.SubscribeGroup(conn, subject, uploadsQueue, u.take); err != nil {
		return nil, fmt.Errorf("upload.subject: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel = cancel
	for range uploadsAtOnce {
		u.group.Go(func() { u.work(ctx) })
	}
	return u, nil
}

// Close ends it; what waits is not done.
func (u *Uploads) Close() {
	_ = u.sub.Unsubscribe()
	u.cancel()
	u.group.Wait()
}

func (u *Uploads) take(m *nats.Msg) {
	if len(m.Data) > maxUpload {
		u.handled.WithLabelValues("unreadable").Inc()
		return
	}
	select {
	case u.messages <- m:
	default:
		u.handled.WithLabelValues("dropped").Inc()
	}
}

func (u *Uploads) work(ctx context.Context) {
	for {
		select {
		case m := <-u.messages:
			u.handled.WithLabelValues(u.do(ctx, m.Data)).Inc()
		case <-ctx.Done():
			return
		}
	}
}

func (u *Uploads) do(ctx context.Context, text []byte) (outcome string) {
	var upload Upload
	if err := json.Unmarshal(text, &upload); err != nil || upload.Original == "" || strings.ContainsAny(upload.Original, "\x00\r\n") || len(upload.Paths) > operators.MaxThumbnails {
		u.log.Warn("a message of an upload that cannot be read", "error", err)
		return "unreadable"
	}
	ctx, cancel := context.WithTimeout(ctx, uploadTime)
	defer cancel()
	purged := u.purge(ctx, upload.Original)
	var items []Item
	for _, path := range upload.Paths {
		items = append(items, Item{Path: path})
	}
	if upload.Paths == nil {
		for _, width := range u.widths {
			items = append(items, Item{Path: u.renderer.Grammar.Standard(upload.Original, width)})
		}
	}
	outcome = "ok"
	if !purged {
		outcome = "failed"
	}
	u.renderer.Render(ctx, items, false, func(r Result) {
		if !r.OK() {
			outcome = "failed"
			u.log.Warn("a thumbnail of an upload was not rendered", "path", r.Path, "fault", r.Outcome, "reason", r.Message)
		}
	})
	return outcome
}
