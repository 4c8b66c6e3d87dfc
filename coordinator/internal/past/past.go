// Package past asks a Prometheus server for the past values of the operators' page: the memory
// of a process ends with the process.
package past

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/thumbmill/thumbmill/shared/prometheus"
)

const (
	atOnce  = 4 // questions
	timeout = 10 * time.Second
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

// Server is a Prometheus server that knows the page's series.
type Server struct {
	prometheus *prometheus.Server
}

// New makes a server of a URL (prometheus.url). It connects to nothing yet.
func New(url string) *Server {
	return &Server{prometheus.New(url, "prometheus.url", timeout)}
}

// Values returns n values of each series, one every step until end; NaN where Prometheus has none.
func (s *Server) Values(ctx context.Context, end time.Time, step time.Duration, n int) (map[string][]float64, error) {
	questions := all()
	answers := make([][]prometheus.Series, len(questions))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, q := range questions {
		group.Go(func() (err error) {
			answers[i], err = s.prometheus.Over(ctx, q.query, prometheus.Grid{End: end, Step: step, N: n})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	values := map[string][]float64{}
	for i, q := range questions {
		for _, one := range answers[i] {
			values[q.name+one.Labels[q.label]] = one.Values
		}
	}
	return values, nil
}
