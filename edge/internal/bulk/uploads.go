package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/shared/queue"
)

const (
	uploadsQueue  = "thumbmill-uploads" // one edge takes each message
	uploadsBound  = 10_000              // messages that wait on one edge
	uploadsAtOnce = 4
	maxUpload     = 16 << 10 // bytes of a message
	uploadTime    = 5 * time.Minute
)

// The outcomes of a message; labels of the metric.
const (
	handled    = "ok"
	incomplete = "failed"
	unreadable = "unreadable"
	dropped    = "dropped"
)

// Upload is a message that tells of a new original, or of a new version of one.
type Upload struct {
	Original string   `json:"original"` // as purges name it
	Paths    []string `json:"paths"`    // thumbnails to render, instead of the usual widths
}

// UploadsConfig is what listens for uploads.
type UploadsConfig struct {
	Conn     *nats.Conn
	Subject  string
	Widths   []int // of the thumbnails that are rendered, where a message names none
	Renderer *Renderer
	// Purge makes everybody forget the thumbnails of an original, and reports whether all did.
	Purge   func(ctx context.Context, original string) (complete bool)
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Uploads listens for new originals: old thumbnails are purged, and those that will be
// asked for first are rendered.
type Uploads struct {
	config   UploadsConfig
	sub      *nats.Subscription
	waiting  chan []byte
	cancel   context.CancelFunc
	group    sync.WaitGroup
	outcomes *prometheus.CounterVec
}

// ListenForUploads begins to listen.
func ListenForUploads(c UploadsConfig) (*Uploads, error) {
	u := &Uploads{config: c, waiting: make(chan []byte, uploadsBound)}
	u.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_uploads_total", Help: "Messages of new originals: ok, failed (not all was purged, or some thumbnail not rendered), unreadable, dropped (too many waited).",
	}, []string{"outcome"})
	c.Metrics.MustRegister(u.outcomes)
	var err error
	if u.sub, err = queue.SubscribeGroup(c.Conn, c.Subject, uploadsQueue, u.enqueue); err != nil {
		return nil, fmt.Errorf("upload.subject: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel = cancel
	for range uploadsAtOnce {
		u.group.Go(func() { u.handleAll(ctx) })
	}
	return u, nil
}

// Close ends it; what waits is not done.
func (u *Uploads) Close() {
	_ = u.sub.Unsubscribe()
	u.cancel()
	u.group.Wait()
}

func (u *Uploads) enqueue(m *nats.Msg) {
	if len(m.Data) > maxUpload {
		u.outcomes.WithLabelValues(unreadable).Inc()
		return
	}
	select {
	case u.waiting <- m.Data:
	default:
		u.outcomes.WithLabelValues(dropped).Inc()
	}
}

func (u *Uploads) handleAll(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case text := <-u.waiting:
			u.outcomes.WithLabelValues(u.handle(ctx, text)).Inc()
		case <-ctx.Done():
		}
	}
}

func (u *Uploads) handle(ctx context.Context, text []byte) (outcome string) {
	upload, err := readUpload(text)
	if err != nil {
		u.config.Log.Warn("a message of an upload cannot be read", "error", err)
		return unreadable
	}
	ctx, cancel := context.WithTimeout(ctx, uploadTime)
	defer cancel()
	complete := u.config.Purge(ctx, upload.Original)
	u.config.Renderer.Render(ctx, u.items(upload), false, func(r Result) {
		if !r.OK() {
			complete = false
			u.config.Log.Warn("a thumbnail of an upload was not rendered", "path", r.Path, "fault", r.Outcome, "reason", r.Message)
		}
	})
	if ctx.Err() != nil || !complete {
		return incomplete
	}
	return handled
}

// readUpload reads a message. Its error says what a message has to be.
func readUpload(text []byte) (upload Upload, err error) {
	switch err := json.Unmarshal(text, &upload); {
	case err != nil:
		return upload, err
	case upload.Original == "" || strings.ContainsAny(upload.Original, "\x00\r\n"):
		return upload, errors.New("original names a file, without control characters")
	}
	return upload, nil
}

// items are the thumbnails that a message names, or where it has no list, those of the usual
// widths.
func (u *Uploads) items(upload Upload) (items []Item) {
	if upload.Paths == nil {
		for _, width := range u.config.Widths {
			items = append(items, Item{Path: u.config.Renderer.config.Grammar.Standard(upload.Original, width)})
		}
		return items
	}
	for _, path := range upload.Paths {
		items = append(items, Item{Path: path})
	}
	return items
}
