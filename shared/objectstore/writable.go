package objectstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// The states of a store after its last write.
const (
	StateWritable = "writable"
	StateFull     = "full"
	StateReadOnly = "read-only"
	StateFailing  = "failing"
)

// Writable reports the state of a store as a metric, and logs each change. It is safe for concurrent
// use.
type Writable struct {
	store string
	log   *slog.Logger
	gauge *prometheus.GaugeVec
	mu    sync.Mutex
	state string
}

// NewWritable registers the metric of a store, with the state writable.
func NewWritable(store string, log *slog.Logger, metrics prometheus.Registerer) *Writable {
	w := &Writable{store: store, log: log, state: StateWritable, gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "thumbmill_store_state", Help: "1 for the state of the store after its last write (writable, full, read-only, failing), else 0.",
		ConstLabels: prometheus.Labels{"store": store},
	}, []string{"state"})}
	for _, state := range []string{StateWritable, StateFull, StateReadOnly, StateFailing} {
		w.gauge.WithLabelValues(state).Set(0)
	}
	w.gauge.WithLabelValues(w.state).Set(1)
	metrics.MustRegister(w.gauge)
	return w
}

// Note sets the state from the result of a write. It ignores context.Canceled.
func (w *Writable) Note(err error) {
	state := StateFailing
	switch {
	case errors.Is(err, context.Canceled):
		return
	case err == nil:
		state = StateWritable
	case errors.Is(err, ErrFull):
		state = StateFull
	case errors.Is(err, ErrReadOnly):
		state = StateReadOnly
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if state == w.state {
		return
	}
	w.gauge.WithLabelValues(w.state).Set(0)
	w.gauge.WithLabelValues(state).Set(1)
	w.state = state
	if err != nil {
		w.log.Warn("serve thumbnails without storing them: every request renders again", "store", w.store, "state", state, "error", err)
		return
	}
	w.log.Info("store thumbnails again", "store", w.store)
}
