// Package web is the edge's HTTP: it reads a request, has the thumbnail
// obtained, and writes the answer, with what caches and browsers need.
//
// Faults become statuses here and nowhere else (refuse.go): a sentence as text or JSON,
// Retry-After where trying again makes sense, and Cache-Control as the fault's kind has it.
package web

import (
	"context"
	"crypto/subtle"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

const bodyPatience = 5 * time.Second

// Obtainer gets thumbnails.
type Obtainer interface {
	AtHand(ctx context.Context, t target.Target) (obtain.Thumb, bool)
	Obtain(ctx context.Context, r obtain.Request) (obtain.Thumb, error)
	Original(ctx context.Context, at thumbnail.Location) (obtain.Thumb, error)
}

// Purger makes everybody forget the thumbnails of an original.
type Purger interface {
	// Purge returns when a purge that began after the call has ended, or with the fault of one
	// that could not reach everything.
	Purge(ctx context.Context, original string) error
}

// Handler serves thumbnails.
type Handler struct {
	settings settings.Settings
	grammar  *grammar.Reader
	obtainer Obtainer
	purger   Purger
	clients  *clientaddr.Finder
	log      *slog.Logger
	metrics  metrics
	tracer   *tracing.Tracer
	control  string // Cache-Control of a thumbnail that is kept as long as usual

	unbelieved sync.Once // it was told that a proxy is not trusted
}

// Config is what a handler is made of.
type Config struct {
	Settings settings.Settings
	Grammar  *grammar.Reader
	Obtainer Obtainer
	Purger   Purger
	Clients  *clientaddr.Finder
	Tracer   *tracing.Tracer
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// New makes a handler.
func New(c Config) *Handler {
	s := c.Settings
	return &Handler{
		settings: s, grammar: c.Grammar, obtainer: c.Obtainer, purger: c.Purger, clients: c.Clients, log: c.Log, metrics: newMetrics(c.Metrics),
		tracer: c.Tracer, control: control(s.Edge, s.Edge.MaxAge),
	}
}

// exchange is one request with its answer.
type exchange struct {
	handler *Handler
	w       http.ResponseWriter
	r       *http.Request
	id      string
	client  clientaddr.Client
	began   time.Time
	values  []string // room for the values of headers: see setHeader
	grammar string
	outcome string
	private bool       // no shared cache may keep the answer
	refused int        // the status of a refusal
	span    trace.Span // nil while traces go nowhere
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if r.URL.Path == "/healthcheck" || r.URL.Path == "/healthcheck/" {
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = io.WriteString(w, "WORKING") // as Thumbor answers; asks nobody
		return
	}
	x := &exchange{handler: h, w: w, r: r, began: began, client: h.clients.Find(r), grammar: grammar.None, values: make([]string, 0, usualHeaders)}
	if x.client.Unbelieved {
		h.unbelieved.Do(func() {
			h.log.Warn("a proxy is not among edge.trusted_proxies: all whose X-Forwarded-For it sends count as one client", "proxy", r.RemoteAddr)
		})
	}
	x.id = x.requestID()
	x.setHeader("X-Request-Id", x.id)
	if h.tracer.On() {
		x.beginTrace()
	}
	x.answer()
	x.finish()
}

// usualHeaders is how many headers a thumbnail's answer has.
const usualHeaders = 16

// setHeader is Header.Set for a name in its canonical form. The values of one answer lie in one
// piece of memory, since a hit costs little else.
func (x *exchange) setHeader(name, value string) {
	x.values = append(x.values, value)
	last := len(x.values)
	x.w.Header()[name] = x.values[last-1 : last : last]
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

func (x *exchange) answer() {
	x.refuseBody()
	x.shareWith(x.r.Header.Get("Origin"))
	switch x.r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		x.preflight()
		return
	case methodPurge:
		x.purge()
		return
	default:
		x.refuseMethod()
		return
	}
	if x.client.Blocked {
		x.refuse(fault.New(fault.Blocked, "requests from your network are not answered at present; ask the site's operators"))
		return
	}
	t, err := x.parse()
	if err != nil {
		x.refuse(err)
		return
	}
	if t.Redirect != "" {
		x.redirect(t)
		return
	}
	if thumb, ok := x.atHand(t); ok {
		x.writeThumbnail(thumb, t)
		return
	}
	x.obtain(t)
}

func (x *exchange) atHand(t target.Target) (obtain.Thumb, bool) {
	if t.Stored != nil {
		return obtain.Thumb{}, false
	}
	return x.handler.obtainer.AtHand(x.r.Context(), t)
}

// obtain gets what is not at hand.
func (x *exchange) obtain(t target.Target) {
	ctx, cancel := context.WithTimeout(x.r.Context(), x.handler.settings.Edge.Deadline)
	defer cancel()
	var thumb obtain.Thumb
	var err error
	if t.Stored != nil {
		reading, end := context.WithCancel(x.r.Context())
		defer end()
		patience := time.AfterFunc(x.handler.settings.Edge.Deadline, end)
		thumb, err = x.handler.obtainer.Original(reading, *t.Stored)
		patience.Stop() // from here on it is the client that takes its time
	} else {
		thumb, err = x.handler.obtainer.Obtain(ctx, obtain.Request{ID: x.id, Trace: x.traceHeader(), Client: x.client.Key, Target: t})
	}
	x.tellTiming(thumb.Times)
	x.traceSteps(thumb.Times)
	if err != nil {
		x.refuse(x.explain(err))
		return
	}
	x.writeThumbnail(thumb, t)
}

// redirect keeps what the query may ask for: a download.
func (x *exchange) redirect(t target.Target) {
	x.outcome = "redirected"
	to := t.Redirect
	if x.download() {
		to += "?download"
	} else if !t.AsOf.IsZero() {
		to += "?" + x.r.URL.RawQuery // the version
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
	if x.r.ProtoMajor == 1 { // over HTTP/2 it would end the requests of others
		x.w.Header().Set("Connection", "close")
	}
	_ = http.NewResponseController(x.w).SetReadDeadline(x.began.Add(bodyPatience))
}

// parse reads the URL, and notes what the answer will say of it.
func (x *exchange) parse() (t target.Target, err error) {
	t, x.grammar, err = x.handler.grammar.Read(x.r, grammar.Rights{Local: x.client.Local})
	if err != nil {
		return t, err
	}
	if len(t.Skipped) > 0 {
		x.w.Header().Set("Thumbmill-Skipped-Filters", strings.Join(t.Skipped, ", "))
	}
	if len(t.Ignored) > 0 {
		x.w.Header().Set("Thumbmill-Ignored-Parameters", strings.Join(t.Ignored, ", "))
	}
	if t.Vary {
		x.w.Header().Add("Vary", "Accept")
	}
	if x.private = t.Private; x.private {
		x.keepPrivate()
	}
	x.setHeader("Xkey", target.Printable(t.XKey)) // of refusals too: a purge ends a 404
	return t, x.checkSecret(t)
}

// checkSecret: MediaWiki sends the secret when it asks for a user who may see
// the private file.
func (x *exchange) checkSecret(t target.Target) error {
	if !t.Private {
		return nil
	}
	secret, told := string(x.handler.settings.Store.PrivateSecret), x.r.Header.Get("X-Swift-Secret")
	if secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(told)) != 1 {
		return fault.New(fault.Private, "this container is private: X-Swift-Secret is missing or wrong")
	}
	return nil
}

// explain tells a client that left from a deadline that passed.
func (x *exchange) explain(err error) error {
	var known *fault.Fault
	if !errors.As(err, &known) && errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Deadline, "the thumbnail was not ready within %v", x.handler.settings.Edge.Deadline)
	}
	return err
}

func (x *exchange) tellTiming(t obtain.Times) {
	total := obtain.Step{Name: "total", Took: time.Since(x.began)}.ServerTiming()
	if steps := t.ServerTiming(); steps != "" {
		total = steps + ", " + total
	}
	x.setHeader("Server-Timing", total)
}

func (x *exchange) finish() {
	took := time.Since(x.began)
	x.handler.metrics.observe(x.grammar, x.outcome, took, tracing.ID(x.r.Context()))
	if x.span != nil {
		x.endTrace()
	}
	if !x.handler.log.Enabled(x.r.Context(), slog.LevelDebug) {
		return
	}
	x.handler.log.DebugContext(x.r.Context(), "request", "request", x.id, "client", x.client.Key, "method", x.r.Method, "path", x.r.URL.Path,
		"grammar", x.grammar, "outcome", x.outcome, "took", took)
}
