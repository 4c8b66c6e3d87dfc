// Package past asks a Prometheus server for the past values of the operators' page: the memory
// of a process ends with the process.
package past

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	atOnce  = 4 // questions
	timeout = 10 * time.Second
	longest = 16 << 20 // bytes of an answer
)

// series is a question about several series: one for each value of a label.
type series struct {
	name  string // of the series; with a label, the text before its value
	label string
	query string
}

// all are the questions, with the names of the operators' page (package report). A rate over two minutes
// needs a scrape each minute.
func all() []series {
	percentile := func(name, quantile string) series {
		return series{name, "outcome", "1000 * histogram_quantile(" + quantile + ", sum by (outcome, le) (rate(thumbmill_edge_request_seconds_bucket[2m])))"}
	}
	return []series{
		{"request ", "outcome", "sum by (outcome) (rate(thumbmill_edge_requests_total[2m]))"},
		{"refuse ", "throttle", `sum by (throttle) (rate(thumbmill_throttle_decisions_total{decision="refuse"}[2m]))`},
		percentile("p50 ", "0.5"),
		percentile("p95 ", "0.95"),
		{"depth ", "lane", "max by (lane) (thumbmill_lane_depth)"},
		{"age ", "lane", "1000 * max by (lane) (thumbmill_lane_age_seconds)"},
		{"waiting", "", `sum(thumbmill_pool_waiters{class="lane"})`},
		{"busy", "", "sum(thumbmill_renderer_slots_busy)"},
		{"slots", "", "sum(thumbmill_renderer_slots)"},
		{"live", "", "count(thumbmill_renderer_slots > 0)"},
		{"wanted", "", "max(thumbmill_renderers_wanted)"},
	}
}

// Server is a Prometheus server.
type Server struct {
	url    string
	client *http.Client
}

// New makes a server of a URL (prometheus.url). It connects to nothing yet.
func New(url string) *Server {
	return &Server{strings.TrimSuffix(url, "/"), &http.Client{Timeout: timeout}}
}

// Values returns n values of each series, one every step until end; NaN where Prometheus has none.
func (s *Server) Values(ctx context.Context, end time.Time, step time.Duration, n int) (map[string][]float64, error) {
	questions := all()
	answers := make([][]stream, len(questions))
	over := grid{end.Add(-step * time.Duration(n-1)), end, step, n}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, q := range questions {
		group.Go(func() (err error) {
			answers[i], err = s.ask(ctx, q.query, over)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	values := map[string][]float64{}
	for i, q := range questions {
		for _, one := range answers[i] {
			values[q.name+one.Metric[q.label]] = over.place(one.Values)
		}
	}
	return values, nil
}

// stream is one series of an answer.
type stream struct {
	Metric map[string]string
	Values [][2]any // the time in seconds, and the value as a text
}

// ask sends a query. Prometheus's own client would bring OAuth and a JSON library for this one
// request.
func (s *Server) ask(ctx context.Context, query string, over grid) ([]stream, error) {
	parameters := url.Values{"query": {query}, "start": {seconds(over.start)}, "end": {seconds(over.end)}, "step": {fmt.Sprint(over.step.Seconds())}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/api/v1/query_range?"+parameters.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("prometheus.url: %w", err)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Status string
		Error  string
		Data   struct{ Result []stream }
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, longest)).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s does not answer like Prometheus (%s): %w", s.url, response.Status, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s answers %q to the query %s", s.url, answer.Error, query)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("%s answers %s to the query %s: check prometheus.url", s.url, response.Status, query)
	}
	return answer.Data.Result, nil
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// grid has n moments.
type grid struct {
	start, end time.Time
	step       time.Duration
	n          int
}

// place puts samples at their moments.
func (g grid) place(samples [][2]any) []float64 {
	values := make([]float64, g.n)
	for i := range values {
		values[i] = math.NaN()
	}
	for _, sample := range samples {
		at, isTime := sample[0].(float64)
		text, isText := sample[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		i := math.Round((at - float64(g.start.UnixMilli())/1000) / g.step.Seconds())
		if isTime && isText && err == nil && !math.IsInf(v, 0) && i >= 0 && i < float64(g.n) {
			values[int(i)] = v
		}
	}
	return values
}
