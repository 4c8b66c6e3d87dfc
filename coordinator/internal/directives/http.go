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
	mux.HandleFunc("GET /api/v1/directives", func(w http.ResponseWriter, _ *http.Request) {
		operators.Answer(w, map[string]any{"directives": append([]directive.Directive{}, b.Holding()...)})
	})
	mux.HandleFunc("POST /api/v1/directives", b.serveNew)
	mux.HandleFunc("DELETE /api/v1/directives/{id}", b.serveWithdrawal)
	return mux
}

// wish is the body of a new directive: what an operator decides, and for how long.
type wish struct {
	Kind     directive.Kind `json:"kind"`
	Target   string         `json:"target"`
	Workers  uint32         `json:"workers"`
	MaxQueue uint32         `json:"max_queue"`
	Shadow   *bool          `json:"shadow"`
	Who      string         `json:"who"`
	Why      string         `json:"why"`
	Hold     string         `json:"hold"` // a duration; directive.Clear needs none

	// The coordinator sets these itself. They are ignored, so that a directive that was read
	// can be sent back with another hold.
	ID        string    `json:"id"`
	Began     time.Time `json:"began"`
	LeftMS    int64     `json:"left_ms"`
	Withdrawn string    `json:"withdrawn"`
}

const example = `{"kind": "block", "target": "192.0.2.0/24", "hold": "1h", "who": "ann", "why": "asks for what is not there"}`

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
	if err := b.spread(d, "an operator gave a directive"); err != nil {
		http.Error(w, err.Error(), http.StatusInsufficientStorage)
		return
	}
	operators.Answer(w, d)
}

// readWish makes a directive of a request's body.
func readWish(body io.Reader) (directive.Directive, error) {
	var wanted wish
	in := json.NewDecoder(body)
	in.DisallowUnknownFields()
	if err := in.Decode(&wanted); err != nil {
		return directive.Directive{}, fmt.Errorf("the body is no directive, such as %s: %w", example, err)
	}
	hold, err := time.ParseDuration(wanted.Hold)
	if err != nil && wanted.Kind != directive.Clear {
		return directive.Directive{}, fmt.Errorf("hold takes a duration such as \"30m\", not %.40q", wanted.Hold)
	}
	return directive.New(directive.Directive{
		Kind: wanted.Kind, Target: wanted.Target, Workers: wanted.Workers, MaxQueue: wanted.MaxQueue, Shadow: wanted.Shadow,
		Who: wanted.Who, Why: wanted.Why,
	}, hold)
}

// checkTarget refuses a target that no renderer has.
func (b *Book) checkTarget(d directive.Directive) error {
	named := func(h renderjob.Heartbeat) bool { return h.Renderer == d.Target }
	if d.Kind == directive.Drain && !slices.ContainsFunc(b.fleet.Living(), named) {
		return errors.New("no renderer of the name " + d.Target + " lives")
	}
	return nil
}

// afterAll gives now, or a moment after the latest directive that is known: of two for one
// target the later one holds, whichever coordinator's clock is slow.
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
		http.Error(w, "?who= is missing: it names who withdraws the directive", http.StatusBadRequest)
		return
	}
	holding := b.Holding()
	at := slices.IndexFunc(holding, func(d directive.Directive) bool { return d.ID == r.PathValue("id") })
	if at < 0 {
		http.Error(w, "no directive that holds has this id", http.StatusNotFound)
		return
	}
	d := holding[at]
	d.Withdrawn = who
	if err := d.Validate(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := b.spread(d, "an operator withdrew a directive"); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	operators.Answer(w, d)
}
