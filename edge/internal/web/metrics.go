package web

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	failures *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) metrics {
	m := metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_edge_requests_total", Help: "Requests by grammar of the URL and outcome (hit, rendered, or the fault).",
		}, []string{"grammar", "outcome"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "thumbmill_edge_request_seconds", Help: "Time from a request to the end of its answer, by outcome.",
			// The buckets of Wikimedia's exporter, and some below for hits.
			Buckets: []float64{.001, .0025, .005, .01, .02, .05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 120},
		}, []string{"outcome"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "thumbmill_failures_total", Help: "Answers without a thumbnail, by kind of fault.",
		}, []string{"fault"}),
	}
	r.MustRegister(m.requests, m.seconds, m.failures)
	return m
}
