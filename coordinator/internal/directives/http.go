package directives

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/thumbmill/thumbmill/shared/directive"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// maxBody bounds the body of a new directive, in bytes.
const maxBody = 16 << 10

// Handler serves the paths of the package's comment.
func (b *Book) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+operators.Directives, func(w http.ResponseWriter, _ *http.Request) {
		operators.Answer(w, map[string]any{"directives": append([]directive.Directive{}, b.Holding()...)})
	})
	mux.HandleFunc("GET "+operators.DirectivesAudit, func(w http.ResponseWriter, _ *http.Request) {
		operators.Answer(w, map[string]any{"audit": b.audit.Latest()})
	})
	mux.HandleFunc("POST "+operators.Directives, b.serveNew)
	mux.HandleFunc("DELETE "+operators.Directives+"/{id}", b.serveWithdrawal)
	return mux
}

// wish is the body of a new directive.
type wish struct {
	Kind     directive.Kind `json:"kind"`
	Target   string         `json:"target"`
	Workers  uint32         `json:"workers"`
	MaxQueue uint32         `json:"max_queue"`
	Shadow   *bool          `json:"shadow"`
	Who      string         `json:"who"`
	Why      string         `json:"why"`
	Hold     string         `json:"hold"` // a duration; directive.Clear takes none

	// The coordinator sets these fields itself and ignores them here: clients can then send back a
	// directive as they read it, with another hold.
	ID        string    `json:"id"`
	Began     time.Time `json:"began"`
	LeftMS    int64     `json:"left_ms"`
	Withdrawn string    `json:"withdrawn"`
}

const example = `{"kind": "block", "target": "192.0.2.0/24", "hold": "1h", "who": "ann", "why": "requests missing originals"}`

func (b *Book) serveNew(w http.ResponseWriter, r *http.Request) {
	d, err := readWish(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		err = b.checkTarget(d)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.Began = b.afterAll(d.Began)
	if err := b.spread(d, "take a directive of an operator"); err != nil {
		http.Error(w, err.Error(), http.StatusInsufficientStorage)
		return
	}
	operators.Answer(w, d)
}

// readWish makes a directive from a request's body.
func readWish(body io.Reader) (directive.Directive, error) {
	var wanted wish
	in := json.NewDecoder(body)
	in.DisallowUnknownFields()
	if err := in.Decode(&wanted); err != nil {
		return directive.Directive{}, fmt.Errorf("the body is not a directive (%w): send JSON such as %s", err, example)
	}
	hold, err := time.ParseDuration(wanted.Hold)
	if err != nil && wanted.Kind != directive.Clear {
		return directive.Directive{}, fmt.Errorf("hold %.40q is not a duration: write a number and a unit such as \"30m\"", wanted.Hold)
	}
	return directive.New(directive.Directive{
		Kind: wanted.Kind, Target: wanted.Target, Workers: wanted.Workers, MaxQueue: wanted.MaxQueue, Shadow: wanted.Shadow,
		Who: wanted.Who, Why: wanted.Why,
	}, hold)
}

// checkTarget refuses a drain whose target is not a living renderer.
func (b *Book) checkTarget(d directive.Directive) error {
	named := func(h renderjob.Heartbeat) bool { return h.Renderer == d.Target }
	if d.Kind == directive.Drain && !slices.ContainsFunc(b.fleet.Living(), named) {
		return errors.New("no living renderer has the name " + d.Target + ": GET " + operators.Throttles + " lists the renderers")
	}
	return nil
}

// afterAll returns now, or a moment after the latest known directive. The later of two directives for
// one target wins, and a coordinator's clock can be slow.
func (b *Book) afterAll(now time.Time) time.Time {
	for _, d := range b.set.All() {
		if !d.Began.Before(now) {
			now = d.Began.Add(time.Nanosecond)
		}
	}
	return now
}

func (b *Book) serveWithdrawal(w http.ResponseWriter, r *http.Request) {
	who := r.URL.Query().Get("who")
	if who == "" {
		http.Error(w, "?who= is missing: add the name of the operator that withdraws the directive", http.StatusBadRequest)
		return
	}
	holding := b.Holding()
	at := slices.IndexFunc(holding, func(d directive.Directive) bool { return d.ID == r.PathValue("id") })
	if at < 0 {
		http.Error(w, "no directive in force has this ID: GET "+operators.Directives+" lists them", http.StatusNotFound)
		return
	}
	d := holding[at]
	d.Withdrawn = who
	if err := d.Validate(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := b.spread(d, "withdraw a directive for an operator"); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	operators.Answer(w, d)
}
