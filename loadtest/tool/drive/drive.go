// Package drive sends a workload to a server and records the answers.
//
// It is open-loop: it sends each request when it is due, however slow the server is, and latency
// counts from that time. A generator that waits for answers hides how long clients would have
// waited (coordinated omission). Requests above a bound of requests in progress are not sent, only
// counted.
//
// Existing libraries measure from the real time of sending, and none reads slowly.
package drive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/thumbmill/thumbmill/loadtest/tool/workload"
)

// Config defines the requests of a run.
type Config struct {
	// Template is the URL of a thumbnail, with {original}, {width} and {fresh}. {fresh} is a new
	// number for each request for a new thumbnail, otherwise 0.
	Template string
	// Name is the name of an original, with {n} and {type}.
	Name    string
	Timeout time.Duration // of one request
	Most    int           // bound of requests in progress
	// BytesPerSecond is the reading speed of a slow client.
	BytesPerSecond int
	// Progress gets the counts of each second.
	Progress func(Second)
}

// Histogram bounds: latencies from a microsecond to four minutes, to three digits.
const (
	lowest, highest = 1, 240_000_000 // microseconds
	digits          = 3
)

// Second has the counts of one second.
type Second struct {
	At       float64        `json:"at"` // seconds since the start
	Sent     int            `json:"sent"`
	UnderWay int            `json:"under_way"` // at the end of the second
	Outcomes map[string]int `json:"outcomes"`  // of requests that ended in the second
	P50      float64        `json:"p50_ms"`
	P99      float64        `json:"p99_ms"`
	// Kinds has p50 and p95 of the pictures whose answers ended in the second, in milliseconds, by kind:
	// Stored, Rendered, or Picture for a server that does not say which.
	Kinds map[string][2]float64 `json:"kinds,omitempty"`
}

// The kinds of pictures.
const (
	Stored   = "stored"
	Rendered = "rendered"
	Picture  = "picture"
)

// Kind returns the kind of pictures that an outcome has, and "" for refusals and failures.
func Kind(outcome string) string {
	switch {
	case strings.HasSuffix(outcome, " slow") || !strings.HasPrefix(outcome, "2"):
		return ""
	case strings.HasSuffix(outcome, " "+Stored):
		return Stored
	case strings.HasSuffix(outcome, " "+Rendered):
		return Rendered
	}
	return Picture
}

// Parts is the number of equal parts of a run. Their differences are the noise of a run.
const Parts = 10

// Part has the requests that were due in one part of a run.
type Part struct {
	Outcomes map[string]int                `json:"outcomes"`
	Latency  map[string]map[string]float64 `json:"latency_ms"` // as in Record
}

// CurvePercents returns the percentiles of Record.Curve.
func CurvePercents() []float64 {
	return []float64{1, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97, 98, 99, 99.5, 99.7, 99.9, 99.95, 99.99, 100}
}

// Record is the record of a whole run.
type Record struct {
	Began    time.Time                     `json:"began"`
	Sending  float64                       `json:"sending_seconds"` // until the last request was due
	Seconds  []Second                      `json:"seconds"`
	Outcomes map[string]int                `json:"outcomes"`
	Latency  map[string]map[string]float64 `json:"latency_ms"` // by outcome and for "all", quantiles p50 … max
	Bytes    int64                         `json:"bytes"`
	// Curve has the latency in milliseconds at CurvePercents, by outcome and for "all".
	Curve map[string][]float64 `json:"curve_ms,omitempty"`
	Parts []Part               `json:"parts,omitempty"`
}

// Quantiles returns the keys of Record.Latency's inner maps.
func Quantiles() []string { return []string{"p50", "p90", "p95", "p99", "p99.9", "max"} }

// NotSent is the outcome of requests above Config.Most.
const NotSent = "not sent"

type recorder struct {
	mu       sync.Mutex
	record   Record
	all      histograms
	second   Second
	recent   *hdrhistogram.Histogram
	kinds    histograms
	parts    [Parts]part
	lasts    time.Duration // the planned length of the run
	underWay int
}

// part collects the answers of a Part.
type part struct {
	outcomes map[string]int
	latency  histograms
}

// histograms are histograms by outcome, and for "all".
type histograms map[string]*hdrhistogram.Histogram

func (h histograms) record(name string, us int64) {
	if h[name] == nil {
		h[name] = newHistogram()
	}
	_ = h[name].RecordValue(us) // within the bounds
}

// quantiles returns the quantiles of each histogram, in milliseconds.
func (h histograms) quantiles() map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	for name, of := range h {
		all[name] = map[string]float64{
			"p50": quantile(of, 50), "p90": quantile(of, 90), "p95": quantile(of, 95), "p99": quantile(of, 99), "p99.9": quantile(of, 99.9), "max": float64(of.Max()) / 1000,
		}
	}
	return all
}

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(lowest, highest, digits) }

// Run sends the workload, and returns when all answers have arrived or ctx ends.
func Run(ctx context.Context, c Config, w workload.Workload) (*Record, error) {
	if err := errors.Join(c.validate(), w.Validate()); err != nil {
		return nil, err
	}
	r := &recorder{
		record: Record{Began: time.Now(), Outcomes: map[string]int{}, Curve: map[string][]float64{}},
		all:    histograms{"all": newHistogram()}, recent: newHistogram(), second: Second{Outcomes: map[string]int{}},
		kinds: histograms{}, lasts: w.Duration(),
	}
	for i := range r.parts {
		r.parts[i] = part{map[string]int{}, histograms{}}
	}
	transport := &http.Transport{MaxIdleConnsPerHost: c.Most, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var group, ticking sync.WaitGroup
	stop := make(chan struct{})
	ticking.Go(func() { r.tick(stop, c.Progress) })
	c.send(ctx, w, r, &group, client)
	r.record.Sending = min(time.Since(r.record.Began), w.Duration()).Seconds()
	group.Wait()
	close(stop)
	ticking.Wait()
	return r.finish(), nil
}

func (c Config) validate() error {
	var all []error
	if u, err := url.Parse(c.fill(workload.Request{Type: "jpg", Width: 1})); err != nil || u.Host == "" {
		all = append(all, fmt.Errorf("%q is not a URL: write one such as http://127.0.0.1:8888/unsafe/{width}x/{original}", c.Template))
	}
	if !strings.Contains(c.Template, "{original}") || !strings.Contains(c.Name, "{n}") {
		all = append(all, errors.New("--url must contain {original}, and --name must contain {n}"))
	}
	if c.Timeout <= 0 || c.Timeout.Microseconds() > highest || c.Most < 1 || c.BytesPerSecond < 1 {
		all = append(all, errors.New("--timeout must be above 0 and at most 4 minutes, --most and --slow-bytes above 0"))
	}
	return errors.Join(all...)
}

// fill returns the URL of a request.
func (c Config) fill(r workload.Request) string {
	name := strings.NewReplacer("{n}", strconv.Itoa(r.Original), "{type}", r.Type).Replace(c.Name)
	if r.Original < 0 {
		name = "absent-" + strconv.Itoa(r.Fresh) + "." + r.Type
	}
	width := r.Width
	if r.Fresh > 0 { // a new thumbnail, even if the URL has no {fresh}
		width = 100 + r.Fresh%1900
	}
	return strings.NewReplacer("{original}", name, "{width}", strconv.Itoa(width), "{fresh}", strconv.Itoa(r.Fresh)).Replace(c.Template)
}

func (c Config) send(ctx context.Context, w workload.Workload, r *recorder, group *sync.WaitGroup, client *http.Client) {
	for request := range w.Requests() {
		due := r.record.Began.Add(request.At)
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return
		}
		if ctx.Err() != nil { // if both cases are ready, select chooses either
			return
		}
		if !r.begin(c.Most, request.At) {
			continue
		}
		group.Go(func() {
			outcome, read := c.get(ctx, client, request)
			r.end(outcome, request.At, time.Since(due), read)
		})
	}
}

// get requests one thumbnail, and returns the outcome.
func (c Config) get(ctx context.Context, client *http.Client, r workload.Request) (outcome string, read int64) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.fill(r), nil)
	if err != nil {
		return failure(err), 0
	}
	request.Header.Set("X-Forwarded-For", r.Client.String())
	response, err := client.Do(request)
	if err != nil {
		return failure(err), 0
	}
	defer func() { _ = response.Body.Close() }()
	body := io.Reader(response.Body)
	if r.Slow {
		body = &slowly{body, c.BytesPerSecond}
	}
	if read, err = io.Copy(io.Discard, body); err != nil {
		return failure(err), read
	}
	outcome = strconv.Itoa(response.StatusCode)
	if response.StatusCode/100 == 2 {
		outcome += kindOf(response.Header)
	}
	if r.Slow { // the client's own slowness is in its latency
		outcome += " slow"
	}
	if throttle := response.Header.Get("Thumbmill-Throttle"); throttle != "" {
		outcome += " " + throttle
	}
	return outcome, read
}

// kindOf returns the kind of a picture with a space before it, if an edge of thumbmill sends it. Only a
// request that asked the coordinator has the step admit.
func kindOf(header http.Header) string {
	switch {
	case strings.Contains(header.Get("Server-Timing"), "admit;"):
		return " " + Rendered
	case header.Get("Xkey") != "":
		return " " + Stored
	}
	return ""
}

// failure returns the kind of an error.
func failure(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "cut off"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "error: timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "error: connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "error: connection lost"
	}
	return "error: other"
}

// slowly limits reading to perSecond bytes a second.
type slowly struct {
	from      io.Reader
	perSecond int
}

func (s *slowly) Read(p []byte) (int, error) {
	const pause = 100 * time.Millisecond
	time.Sleep(pause + rand.N(pause/10))
	return s.from.Read(p[:max(1, min(len(p), s.perSecond/10))])
}

// part returns the part in which a request was due.
func (r *recorder) part(due time.Duration) *part {
	return &r.parts[max(0, min(int(Parts*due/max(r.lasts, 1)), Parts-1))]
}

func (r *recorder) begin(most int, due time.Duration) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.underWay >= most {
		r.second.Outcomes[NotSent]++
		r.part(due).outcomes[NotSent]++
		r.record.Outcomes[NotSent]++
		return false
	}
	r.second.Sent++
	r.underWay++
	return true
}

func (r *recorder) end(outcome string, due, latency time.Duration, read int64) {
	us := min(max(latency.Microseconds(), lowest), highest)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.underWay--
	r.record.Bytes += read
	r.record.Outcomes[outcome]++
	r.second.Outcomes[outcome]++
	of := r.part(due)
	of.outcomes[outcome]++
	r.all.record(outcome, us)
	of.latency.record(outcome, us)
	if strings.HasSuffix(outcome, " slow") {
		return
	}
	r.all.record("all", us)
	of.latency.record("all", us)
	_ = r.recent.RecordValue(us) // within the bounds
	if kind := Kind(outcome); kind != "" {
		r.kinds.record(kind, us)
	}
}

// tick ends each second of the record.
func (r *recorder) tick(stop <-chan struct{}, progress func(Second)) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			progress(r.endSecond())
		case <-stop:
			progress(r.endSecond())
			return
		}
	}
}

func (r *recorder) endSecond() Second {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.second
	s.At, s.UnderWay = time.Since(r.record.Began).Seconds(), r.underWay
	s.P50, s.P99 = quantile(r.recent, 50), quantile(r.recent, 99)
	for kind, h := range r.kinds {
		if h.TotalCount() > 0 {
			if s.Kinds == nil {
				s.Kinds = map[string][2]float64{}
			}
			s.Kinds[kind] = [2]float64{quantile(h, 50), quantile(h, 95)}
			h.Reset()
		}
	}
	r.record.Seconds = append(r.record.Seconds, s)
	r.second = Second{Outcomes: map[string]int{}}
	r.recent.Reset()
	return s
}

func quantile(h *hdrhistogram.Histogram, percent float64) float64 {
	return float64(h.ValueAtPercentile(percent)) / 1000
}

func (r *recorder) finish() *Record {
	r.record.Latency = r.all.quantiles()
	for name, h := range r.all {
		for _, percent := range CurvePercents() {
			r.record.Curve[name] = append(r.record.Curve[name], quantile(h, percent))
		}
	}
	for _, p := range r.parts {
		r.record.Parts = append(r.record.Parts, Part{p.outcomes, p.latency.quantiles()})
	}
	return &r.record
}
