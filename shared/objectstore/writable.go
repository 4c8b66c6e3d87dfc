package objectstore

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// The states of a store, as its last write tells.
const (
	StateWritable = "writable"
	StateFull     = "full"
	StateReadOnly = "read-only"
	StateFailing  = "failing"
)

// Writable tells whether a store takes what is written, in the log when that changes and
// as a metric always.
type Writable struct {
	store string
	log   *slog.Logger
	gauge *prometheus.GaugeVec
	mu    sync.Mutex
	state string
}

// NewWritable begins with a store that takes everything.
func NewWritable(store string, log *slog.Logger, metrics prometheus.Registerer) *Writable {
	w := &Writable{store: store, log: log, state: StateWritable, gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "thumbmill_store_state", Help: "1 for the state that the last write to a store showed: writable, full, read-only, failing.",
		ConstLabels: prometheus.Labels{"store": store},
	}, []string{"state"})}
	for _, state := range []string{StateWritable, StateFull, StateReadOnly, StateFailing} {
		w.gauge.WithLabelValues(state).Set(0)
	}
	w.gauge.WithLabelValues(w.state).Set(1)
	metrics.MustRegister(w.gauge)
	return w
}

// Note takes what became of a write.
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
		w.log.Warn("the store takes nothing: clients get their pictures, and each is rendered again", "store", w.store, "state", state, "error", err)
		return
	}
	w.log.Info("the store takes what is written again", "store", w.store)
}
