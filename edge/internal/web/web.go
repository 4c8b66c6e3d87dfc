// Package web is the edge's HTTP: it reads a request, has the thumbnail
// obtained, and writes the answer, with what caches and browsers need.
//
// Faults become statuses here and nowhere else: a sentence as text, Retry-After
// where trying again makes sense, and Cache-Control as the fault's kind has it.
package web

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/edge/internal/mediawiki"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/edge/internal/thumbor"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	bodyPatience = 5 * time.Second
	maxRanges    = 5    // of one request; each costs a header of its own
	maxPath      = 4096 // bytes of a URL's path
	// writeSlack is how long a client may take to read its answer.
	writeSlack = 60 * time.Second
)

// Obtainer gets thumbnails.
type Obtainer interface {
	Obtain(ctx context.Context, r obtain.Request) (obtain.Thumb, error)
	Original(ctx context.Context, at thumbnail.Location) (obtain.Thumb, error)
}

// Handler serves thumbnails.
type Handler struct {
	settings  settings.Settings
	obtainer  Obtainer
	clients   *clientaddr.Finder
	mediawiki *mediawiki.Parser
	thumbor   *thumbor.Parser
	log       *slog.Logger
	metrics   metrics
}

// New makes a handler.
func New(s settings.Settings, o Obtainer, log *slog.Logger, r prometheus.Registerer) (*Handler, error) {
	clients, err := clientaddr.New(s.Edge.TrustedProxies, s.Throttle.Exempt)
	if err != nil {
		return nil, fmt.Errorf("edge.trusted_proxies: %w", err)
	}
	return &Handler{
		settings: s, obtainer: o, clients: clients, log: log, metrics: newMetrics(r),
		mediawiki: mediawiki.New(s), thumbor: thumbor.New(s),
	}, nil
}

// exchange is one request with its answer.
type exchange struct {
	*Handler
	w       http.ResponseWriter
	r       *http.Request
	id      string
	client  clientaddr.Client
	began   time.Time
	grammar string
	outcome string
	private bool // no shared cache may keep the answer
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthcheck" || r.URL.Path == "/healthcheck/" {
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = io.WriteString(w, "WORKING") // as Thumbor answers; asks nobody
		return
	}
	x := &exchange{Handler: h, w: w, r: r, began: time.Now(), client: h.clients.Find(r), grammar: "none"}
	x.id = x.requestID()
	w.Header().Set("X-Request-Id", x.id)
	x.serve()
	x.finish()
}

// requestID is the trusted proxy's, or a new one.
func (x *exchange) requestID() string {
	told := x.r.Header.Get("X-Request-Id")
	if !x.client.Trusted || told == "" || len(told) > 64 || strings.Trim(told, idAlphabet) != "" {
		return nuid.Next()
	}
	return told
}

const idAlphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"

func (x *exchange) serve() {
	x.refuseBody()
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		x.w.Header().Set("Allow", "GET, HEAD")
		x.outcome = "bad-method"
		http.Error(x.w, "Thumbnails are read by GET and HEAD.", http.StatusMethodNotAllowed)
		return
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), x.settings.Edge.Deadline)
	defer cancel()
	_ = http.NewResponseController(x.w).SetWriteDeadline(x.began.Add(x.settings.Edge.Deadline + writeSlack))
	t, err := x.parse()
	if err != nil {
		x.refuse(err)
		return
	}
	if t.Redirect != "" {
		x.redirect(t)
		return
	}
	var thumb obtain.Thumb
	if t.Stored != nil {
		reading, end := context.WithCancel(x.r.Context())
		defer end()
		patience := time.AfterFunc(x.settings.Edge.Deadline, end)
		thumb, err = x.obtainer.Original(reading, *t.Stored)
		patience.Stop() // from here on it is the client that takes its time
	} else {
		thumb, err = x.obtainer.Obtain(ctx, obtain.Request{ID: x.id, Client: x.client.Key, Target: t})
	}
	x.timing(thumb.Times)
	if err != nil {
		x.refuse(x.explain(err))
		return
	}
	x.give(thumb, t)
}

// redirect keeps what the query may ask for: a download.
func (x *exchange) redirect(t target.Target) {
	x.outcome = "redirected"
	to := t.Redirect
	if x.download() {
		to += "?download"
	}
	x.w.Header().Set("Cache-Control", x.cacheControl(t))
	http.Redirect(x.w, x.r, to, http.StatusFound)
}

// download reports whether MediaWiki's parameter of that name is there.
func (x *exchange) download() bool {
	_, asked := x.r.URL.Query()["download"]
	return asked
}

// refuseBody bounds how long a connection waits for a body that nobody reads.
func (x *exchange) refuseBody() {
	if x.r.ContentLength == 0 {
		return
	}
	x.w.Header().Set("Connection", "close")
	_ = http.NewResponseController(x.w).SetReadDeadline(x.began.Add(bodyPatience))
}

// parse finds the grammar by the first segment.
func (x *exchange) parse() (target.Target, error) {
	raw := rawPath(x.r)
	if len(raw) > maxPath {
		return target.Target{}, fault.New(fault.BadURL, "the URL is longer than %d bytes", maxPath)
	}
	var t target.Target
	var err error
	if thumbor.Mine(raw) {
		x.grammar = thumbor.Name
		t, err = x.thumbor.Parse(thumbor.Request{Path: raw, Accept: x.r.Header.Get("Accept"), Local: x.client.Local})
	} else {
		t, err = x.mediawiki.Parse(raw, x.r.URL.Query())
		if !fault.Is(err, fault.NoSuchURL) {
			x.grammar = mediawiki.Name
		}
	}
	if err != nil {
		return t, err
	}
	if len(t.Skipped) > 0 {
		x.w.Header().Set("Thumbmill-Skipped-Filters", strings.Join(t.Skipped, ", "))
	}
	if t.Vary {
		x.w.Header().Set("Vary", "Accept")
	}
	x.private = t.Private
	return t, x.checkSecret(t)
}

// rawPath is the path as it was received: what a signature is over. URL.EscapedPath
// would encode it anew when it holds a byte that should have been encoded.
func rawPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") { // the absolute form, which proxies are sent
		_, path, _ = strings.Cut(path, "://")
		_, path, _ = strings.Cut(path, "/")
		path = "/" + path
	}
	return path
}

// checkSecret: MediaWiki sends the secret when it asks for a user who may see
// the private file.
func (x *exchange) checkSecret(t target.Target) error {
	if !t.Private {
		return nil
	}
	secret, told := string(x.settings.Store.PrivateSecret), x.r.Header.Get("X-Swift-Secret")
	if secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(told)) != 1 {
		return fault.New(fault.Private, "this container is private: X-Swift-Secret is missing or wrong")
	}
	return nil
}

// explain tells a client that left from a deadline that passed.
func (x *exchange) explain(err error) error {
	var known *fault.Fault
	if !errors.As(err, &known) && errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Deadline, "the thumbnail was not ready within %v", x.settings.Edge.Deadline)
	}
	return err
}

func (x *exchange) timing(t obtain.Times) {
	total := fmt.Sprintf("total;dur=%.1f", float64(time.Since(x.began).Microseconds())/1000)
	if steps := t.ServerTiming(); steps != "" {
		total = steps + ", " + total
	}
	x.w.Header().Set("Server-Timing", total)
}

// give writes a thumbnail; http.ServeContent does conditions and ranges.
func (x *exchange) give(t obtain.Thumb, asked target.Target) {
	x.outcome = string(t.Source)
	content := io.ReadSeeker(bytes.NewReader(t.Image))
	if t.Object != nil {
		defer func() { _ = t.Object.Close() }()
		content = t.Object
	}
	if strings.Count(x.r.Header.Get("Range"), ",") >= maxRanges {
		x.r.Header.Del("Range")
	}
	header := x.w.Header()
	header.Set("Content-Type", t.Meta.ContentType)
	header.Set("Content-Disposition", disposition(asked, t.Meta.ContentType))
	header.Set("Etag", strconv.Quote(t.Meta.ETag))
	header.Set("Cache-Control", x.cacheControl(asked))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Xkey", printable(asked.XKey))
	if asked.Stored != nil {
		x.asStored(asked, content)
	}
	if asked.Wiki {
		x.wiki(asked)
	}
	http.ServeContent(x.w, x.r, "", t.Meta.Rendered, content)
}

// slowest is how many bytes a second a client must take of an original.
const slowest = 100 << 10

// asStored serves what was uploaded: a script of somebody's, for all we know, which
// must not run in this host's name.
func (x *exchange) asStored(t target.Target, content io.Seeker) {
	header := x.w.Header()
	header.Set("Content-Type", contentType(t.Stored.Path))
	header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	if size, err := content.Seek(0, io.SeekEnd); err == nil { // as http.ServeContent does
		patience := writeSlack + time.Duration(size/slowest)*time.Second
		_ = http.NewResponseController(x.w).SetWriteDeadline(x.began.Add(patience))
	}
}

// wiki adds what Wikimedia's caches and tools look for.
func (x *exchange) wiki(t target.Target) {
	header := x.w.Header()
	if x.download() {
		header.Set("Content-Disposition", strings.Replace(t.Disposition, "inline", "attachment", 1))
	}
	if !t.Private {
		header.Set("Access-Control-Allow-Origin", "*")
	}
	original := t.Spec.Original
	if t.Stored != nil {
		original = *t.Stored
	} else {
		header.Set("Thumbor-Wikimedia-Thumbnail-Container", printable(t.Key.Container))
		header.Set("Thumbor-Wikimedia-Thumbnail-Path", printable(t.Key.Path))
	}
	header.Set("Thumbor-Wikimedia-Original-Container", printable(original.Container))
	header.Set("Thumbor-Wikimedia-Original-Path", printable(original.Path))
}

func (x *exchange) cacheControl(t target.Target) string {
	if t.Private {
		return "private, no-store"
	}
	return fmt.Sprintf("public, max-age=%d", int(t.MaxAge.Seconds()))
}

// printable percent-encodes what a header cannot hold.
func printable(text string) string {
	var out strings.Builder
	for _, b := range []byte(text) {
		if b > ' ' && b < 0x7f && b != '%' {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}

// refuse turns an error into an answer.
func (x *exchange) refuse(err error) {
	if x.r.Context().Err() != nil {
		x.outcome = "client-left"
		return
	}
	f := fault.Of(err)
	x.outcome = string(f.Kind)
	x.metrics.failures.WithLabelValues(string(f.Kind)).Inc()
	traits := f.Kind.Traits()
	header := x.w.Header()
	header.Set("Cache-Control", "no-store")
	if traits.Cache > 0 {
		header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(traits.Cache.Seconds())))
	}
	if x.private {
		header.Set("Cache-Control", "private, no-store")
	}
	if f.Kind == fault.Private {
		header.Set("Www-Authenticate", `X-Swift-Secret realm="private container"`)
	}
	if after := f.RetryAfter(); after > 0 {
		header.Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	}
	if f.Throttle != "" {
		header.Set("Thumbmill-Throttle", f.Throttle)
	}
	if f.Instead != "" {
		header.Set("Link", "<"+f.Instead+`>; rel="alternate"`)
	}
	if header.Get("Server-Timing") == "" {
		x.timing(nil)
	}
	level := slog.LevelDebug
	if traits.Status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	x.log.Log(x.r.Context(), level, "refused", "request", x.id, "client", x.client.Key, "path", x.r.URL.Path, "fault", f.Kind, "error", f)
	http.Error(x.w, f.Message, traits.Status)
}

func (x *exchange) finish() {
	took := time.Since(x.began)
	x.metrics.requests.WithLabelValues(x.grammar, x.outcome).Inc()
	x.metrics.seconds.WithLabelValues(x.outcome).Observe(took.Seconds())
	x.log.Debug("request", "request", x.id, "client", x.client.Key, "method", x.r.Method, "path", x.r.URL.Path,
		"grammar", x.grammar, "outcome", x.outcome, "took", took)
}
