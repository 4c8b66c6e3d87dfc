// Package directives takes what operators decide (shared/directive), over HTTP or from
// an edge that heard it at another coordinator; follows what concerns the lock table, and
// tells the edges.
//
//	GET    /api/v1/directives         those that hold
//	POST   /api/v1/directives         a new one; hold is a duration such as "30m"
//	DELETE /api/v1/directives/ID      withdraws one; ?who= says whose doing it is
package directives

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/fleet"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Edge is a connection that understands directives.
type Edge interface {
	// Hear takes a directive as it travels, and must not block.
	Hear(directive string)
}

// Book is one coordinator's directives.
type Book struct {
	set   *directive.Set
	table *pools.Table
	fleet *fleet.Fleet
	log   *slog.Logger

	mu    sync.Mutex
	edges map[Edge]struct{}
}

// New makes an empty book that follows limits in the table.
func New(table *pools.Table, f *fleet.Fleet, log *slog.Logger) *Book {
	b := &Book{table: table, fleet: f, log: log, edges: map[Edge]struct{}{}}
	b.set = directive.NewSet(b.follow)
	return b
}

// Close ends the timer of the set.
func (b *Book) Close() { b.set.Close() }

// Holding gives those that hold.
func (b *Book) Holding() []directive.Directive { return b.set.Holding() }

// follow sets the limits anew. Of several for one rule the latest holds.
func (b *Book) follow() {
	limits := map[string]pools.Override{}
	for _, d := range b.set.Holding() {
		if d.Kind == directive.Limit {
			limits[d.Target] = pools.Override{Workers: d.Workers, MaxQueue: d.MaxQueue, Shadow: d.Shadow}
		}
	}
	b.table.Override(limits)
}

// Join tells an edge all that is known, and from then on what is new.
func (b *Book) Join(e Edge) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.edges[e] = struct{}{}
	e.Hear("")
	for _, d := range b.set.All() {
		e.Hear(d.Encode())
	}
}

// Leave ends that.
func (b *Book) Leave(e Edge) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.edges, e)
}

// Heard takes what an edge brings from another coordinator, or from before this one's start.
func (b *Book) Heard(text string) error {
	d, err := directive.Decode(text)
	if err != nil {
		return err
	}
	return b.take(d, "a directive came from another coordinator")
}

func (b *Book) take(d directive.Directive, what string) error {
	news, err := b.set.Add(d)
	if err != nil || !news {
		return err
	}
	b.log.Info(what, "kind", d.Kind, "target", d.Target, "for", time.Duration(d.LeftMS)*time.Millisecond,
		"who", d.Who, "why", d.Why, "withdrawn", d.Withdrawn, "id", d.ID)
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := range b.edges {
		e.Hear(d.Encode())
	}
	return nil
}

// Handler serves the paths of the package's comment.
func (b *Book) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+operators.Directives, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"directives": append([]directive.Directive{}, b.Holding()...)})
	})
	mux.HandleFunc("POST "+operators.Directives, b.give)
	mux.HandleFunc("DELETE "+operators.Directives+"/{id}", b.withdraw)
	return mux
}

func (b *Book) give(w http.ResponseWriter, r *http.Request) {
	var wish struct {
		directive.Directive
		Hold string `json:"hold"`
	}
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, 16<<10))
	in.DisallowUnknownFields()
	if err := in.Decode(&wish); err != nil {
		http.Error(w, "the body is to be a directive, such as "+example+": "+err.Error(), http.StatusBadRequest)
		return
	}
	hold, err := time.ParseDuration(wish.Hold)
	if err != nil && wish.Kind != directive.Clear {
		http.Error(w, `hold is to be a duration such as "30m"`, http.StatusBadRequest)
		return
	}
	d, err := directive.New(wish.Directive, hold)
	if err == nil {
		err = b.knows(d)
	}
	d.Began = b.latest(d.Began)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := b.take(d, "an operator gave a directive"); err != nil {
		http.Error(w, err.Error(), http.StatusInsufficientStorage)
		return
	}
	answer(w, d)
}

// knows refuses a target that nobody has.
func (b *Book) knows(d directive.Directive) error {
	switch {
	case d.Kind == directive.Limit && !b.table.HasRule(d.Target):
		return errors.New("no edge has a rule of the name " + d.Target)
	case d.Kind == directive.Drain && !slices.ContainsFunc(b.fleet.Living(), func(h renderjob.Heartbeat) bool { return h.Renderer == d.Target }):
		return errors.New("no renderer of the name " + d.Target + " lives")
	}
	return nil
}

// latest is now, or a moment after the latest that is known: of two for one target the
// later one holds, whichever coordinator's clock is slow.
func (b *Book) latest(now time.Time) time.Time {
	for _, d := range b.set.All() {
		if !d.Began.Before(now) {
			now = d.Began.Add(time.Nanosecond)
		}
	}
	return now
}

const example = `{"kind": "block", "target": "192.0.2.0/24", "hold": "1h", "who": "ann", "why": "asks for what is not there"}`

func (b *Book) withdraw(w http.ResponseWriter, r *http.Request) {
	who := r.URL.Query().Get("who")
	if who == "" {
		http.Error(w, "?who= is to say who withdraws it", http.StatusBadRequest)
		return
	}
	for _, d := range b.Holding() {
		if d.ID != r.PathValue("id") {
			continue
		}
		d.Withdrawn = who
		if err := d.Validate(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := b.take(d, "an operator withdrew a directive"); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer(w, d)
		return
	}
	http.Error(w, "no directive that holds has this id", http.StatusNotFound)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(body) // the client left
}
