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

	"github.com/thumbmill/thumbmill/shared/queue"
)

const (
	uploadsQueue  = "thumbmill-uploads" // NATS gives each message to one edge of this group
	uploadsBound  = 10_000              // messages that wait on one edge, at most
	uploadsAtOnce = 4                   // messages
	maxUpload     = 16 << 10            // bytes of a message
	uploadTime    = 5 * time.Minute     // for one message
)

// The outcomes of a message: values of the label "outcome" of thumbmill_uploads_total.
const (
	handled    = "ok"
	incomplete = "failed"
	unreadable = "unreadable"
	dropped    = "dropped"
)

// Upload is a message about a new original, or about a new version of an original.
type Upload struct {
	Original string   `json:"original"` // as purges name it
	Paths    []string `json:"paths"`    // of the thumbnails to render; nil = thumbnails of UploadsConfig.Widths
}

// UploadsConfig configures a listener for uploads.
type UploadsConfig struct {
	Conn     *nats.Conn
	Subject  string
	Widths   []int // pixels; of the thumbnails for a message without paths
	Renderer *Renderer
	// Purge purges the thumbnails of an original, and reports whether the whole cluster did.
	Purge   func(ctx context.Context, original string) (complete bool)
	Log     *slog.Logger
	Metrics prometheus.Registerer
}

// Uploads listens for new originals. It purges their old thumbnails, and renders the thumbnails
// that clients ask for first.
type Uploads struct {
	config   UploadsConfig
	sub      *nats.Subscription
	waiting  chan []byte
	cancel   context.CancelFunc
	group    sync.WaitGroup
	outcomes *prometheus.CounterVec
}

// ListenForUploads subscribes to the subject, and handles messages until Close. The error names
// the setting upload.subject when the subject is invalid.
func ListenForUploads(c UploadsConfig) (*Uploads, error) {
	u := &Uploads{config: c, waiting: make(chan []byte, uploadsBound)}
	u.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "thumbmill_uploads_total", Help: "Messages about new originals: ok, failed (the purge was incomplete, or a thumbnail was not rendered), unreadable, dropped (too many messages waited).",
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

// Close unsubscribes, cancels the messages under way, and waits for them. It drops the messages
// that wait.
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
		u.config.Log.Warn("skip an upload message that cannot be read", "error", err)
		return unreadable
	}
	ctx, cancel := context.WithTimeout(ctx, uploadTime)
	defer cancel()
	complete := u.config.Purge(ctx, upload.Original)
	u.config.Renderer.Render(ctx, u.items(upload), false, func(r Result) {
		if !r.OK() {
			complete = false
			u.config.Log.Warn("give up a thumbnail of an upload", "path", r.Path, "fault", r.Outcome, "reason", r.Message)
		}
	})
	if ctx.Err() != nil || !complete {
		return incomplete
	}
	return handled
}

// readUpload reads a message. It returns an error when the message is not JSON, or when the
// original is empty or has a NUL or a line break.
func readUpload(text []byte) (upload Upload, err error) {
	switch err := json.Unmarshal(text, &upload); {
	case err != nil:
		return upload, err
	case upload.Original == "" || strings.ContainsAny(upload.Original, "\x00\r\n"):
		return upload, fmt.Errorf("original is %q: name a file without NUL or line breaks", upload.Original)
	}
	return upload, nil
}

// items returns the thumbnails that a message names, or thumbnails of the usual widths if the
// message has no list.
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
