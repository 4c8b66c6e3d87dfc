// Package web is the edge's HTTP. It reads a request, obtains the thumbnail, and writes the answer
// with the headers for caches and browsers.
//
// Only this package turns faults into statuses (refuse.go). The body is a sentence as text or JSON.
// The fault's kind gives the status, Retry-After and Cache-Control.
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
	"github.com/thumbmill/thumbmill/edge/internal/front"
	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/refusals"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
	"github.com/thumbmill/thumbmill/shared/tracing"
)

// bodyPatience bounds the time that a connection waits for a request's body. The edge reads no body.
const bodyPatience = 5 * time.Second

// Obtainer gets thumbnails; package obtain implements it.
type Obtainer interface {
	AtHand(ctx context.Context, t target.Target) (obtain.Thumb, bool)
	RefuseAtOnce(r obtain.Request) error
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
	refusals *refusals.Log
	control  string    // Cache-Control of a thumbnail with the default age, edge.max_age
	used     sync.Pool // of *exchange, for answers at hand

	unbelieved sync.Once // logs the first proxy that is not trusted
}

// Config has the settings and the collaborators of a handler.
type Config struct {
	Settings settings.Settings
	Grammar  *grammar.Reader
	Obtainer Obtainer
	Purger   Purger
	Clients  *clientaddr.Finder
	Tracer   *tracing.Tracer
	Refusals *refusals.Log
	Log      *slog.Logger
	Metrics  prometheus.Registerer
}

// New returns a handler.
func New(c Config) *Handler {
	s := c.Settings
	return &Handler{
		settings: s, grammar: c.Grammar, obtainer: c.Obtainer, purger: c.Purger, clients: c.Clients, log: c.Log, metrics: newMetrics(c.Metrics, signers(s)),
		tracer: c.Tracer, refusals: c.Refusals, control: control(s.Edge, s.Edge.MaxAge),
		used: sync.Pool{New: func() any { return newExchange() }},
	}
}

// signers returns the keys of signed URLs.
func signers(s settings.Settings) (all []signer) {
	for _, k := range s.Edge.Keys() {
		all = append(all, signer{grammar.Thumbor, k.Name})
	}
	for _, k := range s.Imgproxy.Keys {
		all = append(all, signer{grammar.Imgproxy, k.Name})
	}
	return all
}

// exchange is one request with its answer.
type exchange struct {
	handler  *Handler
	w        http.ResponseWriter
	r        *http.Request
	id       string
	client   clientaddr.Client
	began    time.Time
	values   []string // memory for the values of headers; see setHeader
	grammar  string
	outcome  string
	asked    *target.Target // of the URL, for a fallback picture; nil before it is read, and without such pictures
	signedBy string         // target.Target.SignedBy
	private  bool           // no shared cache may keep the answer
	hidden   string         // the original's name, which no answer may tell; "" = none
	refused  int            // the status of a refusal
	span     trace.Span     // nil without a tracer
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	if r.URL.Path == "/healthcheck" || r.URL.Path == "/healthcheck/" {
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = io.WriteString(w, "WORKING") // Thumbor's answer
		return
	}
	x := newExchange()
	x.begin(h, w, r, began)
	if h.tracer.On() {
		x.beginTrace()
	}
	x.answer()
	x.finish()
}

func newExchange() *exchange { return &exchange{values: make([]string, 0, usualHeaders)} }

// begin resets the exchange for a new request.
func (x *exchange) begin(h *Handler, w http.ResponseWriter, r *http.Request, began time.Time) {
	*x = exchange{handler: h, w: w, r: r, began: began, client: h.clients.Find(r), grammar: grammar.None, values: x.values[:0]}
	if x.client.Unbelieved {
		h.unbelieved.Do(func() {
			h.log.Warn("ignore X-Forwarded-For of a proxy that is not in edge.trusted_proxies; its clients count as one client", "proxy", r.RemoteAddr)
		})
	}
	x.id = x.requestID()
	x.setHeader("X-Request-Id", x.id)
}

// ServeAtHand implements front.AtHand: it answers a request for a thumbnail that this machine has, or that a throttle
// refuses at once, as ServeHTTP would. With tracing it answers none. The headers of w last until it returns.
func (h *Handler) ServeAtHand(w http.ResponseWriter, r *http.Request) bool {
	if h.tracer.On() {
		return false
	}
	x := h.used.Get().(*exchange)
	defer h.used.Put(x)
	x.begin(h, w, r, time.Now())
	x.shareWith(r.Header.Get("Origin"))
	if x.client.Blocked || x.checkHost() != nil {
		return false
	}
	t, err := x.parse()
	if err != nil || t.Redirect != "" {
		return false
	}
	if thumb, ok := x.atHand(t); ok {
		x.writeThumbnail(thumb, t)
	} else if !x.refuseAtOnce(t) {
		front.Looked(w)
		return false
	}
	x.finish()
	return true
}

// usualHeaders is the number of headers of a thumbnail's answer, about.
const usualHeaders = 16

// setHeader is Header.Set for a name in its canonical form. The values of one answer share one piece
// of memory, because allocations are a large part of a hit's cost.
func (x *exchange) setHeader(name, value string) {
	x.values = append(x.values, value)
	last := len(x.values)
	x.w.Header()[name] = x.values[last-1 : last : last]
}

// requestID returns the X-Request-Id of a trusted proxy, or a new id.
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
	if err := x.checkHost(); err != nil {
		x.refuse(err)
		return
	}
	if x.client.Blocked {
		x.refuse(fault.New(fault.Blocked, "your network is blocked here for now: ask the site's operators"))
		return
	}
	t, err := x.parse()
	if err != nil {
		x.refuse(err)
		return
	}
	x.serve(t)
}

func (x *exchange) serve(t target.Target) {
	if t.Redirect != "" {
		x.redirect(t)
		return
	}
	if !front.HasLooked(x.r) {
		if thumb, ok := x.atHand(t); ok {
			x.writeThumbnail(thumb, t)
			return
		}
	}
	x.obtain(t)
}

// serveStandard answers a request for a width that turned out to be neither standard nor the original's own.
func (x *exchange) serveStandard(odd target.Target) {
	t, err := odd.Standard()
	if err != nil {
		x.refuse(err)
		return
	}
	x.serve(t)
}

func (x *exchange) atHand(t target.Target) (obtain.Thumb, bool) {
	if t.Stored != nil {
		return obtain.Thumb{}, false
	}
	return x.handler.obtainer.AtHand(x.r.Context(), t)
}

// refuseAtOnce refuses a thumbnail that is not at hand, if a throttle refuses without a wait and no picture replaces the
// refusal.
func (x *exchange) refuseAtOnce(t target.Target) bool {
	if t.Stored != nil || x.asked != nil {
		return false
	}
	err := x.handler.obtainer.RefuseAtOnce(x.request(t))
	if err == nil {
		return false
	}
	x.refuse(err)
	return true
}

func (x *exchange) request(t target.Target) obtain.Request {
	return obtain.Request{ID: x.id, Trace: x.traceHeader(), Client: x.client.Key, Target: t, Looked: true}
}

// obtain gets a thumbnail that is not at hand, or an original, and writes it.
func (x *exchange) obtain(t target.Target) {
	ctx, cancel := context.WithDeadline(x.r.Context(), x.began.Add(x.handler.settings.Edge.Deadline))
	defer cancel()
	var thumb obtain.Thumb
	var err error
	if t.Stored != nil {
		reading, end := context.WithCancel(x.r.Context())
		defer end()
		patience := time.AfterFunc(x.handler.settings.Edge.Deadline, end)
		thumb, err = x.handler.obtainer.Original(reading, *t.Stored)
		patience.Stop() // edge.deadline does not bound the client's reading
	} else {
		thumb, err = x.handler.obtainer.Obtain(ctx, x.request(t))
	}
	x.tellTiming(thumb.Times)
	x.traceSteps(thumb.Times)
	if err == nil && thumb.Source == obtain.Rendered {
		x.handler.metrics.steps.add(thumb.Times)
	}
	switch {
	case t.Odd != nil && fault.Is(err, fault.OddSize):
		x.serveStandard(t)
	case err != nil:
		x.refuse(x.explain(err))
		if fault.Of(err).Throttle != "" {
			front.Soon(x.r)
		}
	default:
		x.writeThumbnail(thumb, t)
	}
}

// redirect redirects to the target's path, and keeps the parameter download.
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

// download reports whether the query has MediaWiki's parameter download.
func (x *exchange) download() bool {
	_, asked := x.r.URL.Query()["download"]
	return asked
}

// refuseBody bounds the time that a connection waits for a body, and closes an HTTP/1.1 connection
// after the answer.
func (x *exchange) refuseBody() {
	if x.r.ContentLength == 0 {
		return
	}
	if x.r.ProtoMajor == 1 { // over HTTP/2 this would end other requests
		x.w.Header().Set("Connection", "close")
	}
	_ = http.NewResponseController(x.w).SetReadDeadline(x.began.Add(bodyPatience))
}

// parse returns the target of the URL, and sets the headers that describe it.
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
	for _, name := range t.Vary {
		x.w.Header().Add("Vary", name)
	}
	if x.handler.settings.Edge.ClientHints {
		x.setHeader("Accept-Ch", "Sec-CH-DPR")
	}
	if x.private = t.Private; x.private {
		x.keepPrivate()
	}
	x.signedBy = t.SignedBy
	if x.handler.settings.Fallback != (settings.Fallback{}) {
		kept := t // a pointer to t would allocate t for each hit
		x.asked = &kept
	}
	if t.Hidden {
		x.hidden = t.Spec.Original.Path
	}
	x.setKeys(target.Printable(t.XKey)) // refusals too, so that a purge removes a cached 404
	if !t.Expires.IsZero() && !x.began.Before(t.Expires) {
		return t, fault.New(fault.Expired, "the URL was valid until %s: ask the site for a new one", t.Expires.UTC().Format(time.RFC1123))
	}
	return t, x.checkSecret(t)
}

// setKeys sets the headers by which caches purge: Varnish by Xkey, Fastly by Surrogate-Key, Cloudflare by Cache-Tag.
func (x *exchange) setKeys(key string) {
	for _, name := range x.handler.settings.Purge.Headers {
		switch name {
		case "Surrogate-Key":
			x.setHeader("Surrogate-Key", key)
		case "Cache-Tag":
			x.setHeader("Cache-Tag", key)
		default:
			x.setHeader("Xkey", key)
		}
	}
}

// checkSecret returns the fault Private unless a request for a private target has the secret.
// MediaWiki sends the secret for users that may see the private file.
func (x *exchange) checkSecret(t target.Target) error {
	if !t.Private {
		return nil
	}
	secret, told := string(x.handler.settings.Store.PrivateSecret), x.r.Header.Get("X-Swift-Secret")
	if secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(told)) != 1 {
		return fault.New(fault.Private, "this container is private: send its secret in the header X-Swift-Secret").Remedied("let the proxy send store.private_secret")
	}
	return nil
}

// explain returns the fault Deadline for a context's deadline, and other errors as they are.
func (x *exchange) explain(err error) error {
	var known *fault.Fault
	if !errors.As(err, &known) && errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Deadline, "the thumbnail was not ready within %v: ask again later", x.handler.settings.Edge.Deadline)
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
	x.handler.metrics.signed(x.grammar, x.signedBy)
	if x.span != nil {
		x.endTrace()
	}
	if !x.handler.log.Enabled(x.r.Context(), slog.LevelDebug) {
		return
	}
	x.handler.log.DebugContext(x.r.Context(), "answer request", "request", x.id, "client", x.client.Key, "method", x.r.Method, "path", x.r.URL.Path,
		"grammar", x.grammar, "outcome", x.outcome, "took", took)
}
