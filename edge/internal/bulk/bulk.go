// Package bulk has thumbnails rendered before anybody asks for them: a list of them, on
// the lane that waits behind what clients wait for, as many at once as that lane takes.
// What a throttle refuses is tried again after about as long as it says.
package bulk

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/nats-io/nuid"
	"golang.org/x/sync/errgroup"

	"github.com/thumbmill/thumbmill/edge/internal/clientaddr"
	"github.com/thumbmill/thumbmill/edge/internal/grammar"
	"github.com/thumbmill/thumbmill/edge/internal/obtain"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

const (
	// MaxThumbnails of one list.
	MaxThumbnails = 10_000
	// attempts of one thumbnail while throttles refuse it.
	attempts = 20
	// longestPause between two of them, whatever the refusal says.
	longestPause = 15 * time.Second
)

// Obtainer gets thumbnails.
type Obtainer interface {
	Obtain(ctx context.Context, r obtain.Request) (obtain.Thumb, error)
}

// Grammar knows what the items of a list ask for.
type Grammar interface {
	// Read gives what a request asks for, and the grammar's name. Errors are faults.
	Read(r *http.Request, rights grammar.Rights) (target.Target, string, error)
	// FromSpec gives the target of a spec in JSON. Errors are faults.
	FromSpec(text []byte) (target.Target, error)
	// Standard is the path of an original's thumbnail of a width.
	Standard(original string, width int) string
}

// Config is what a renderer of lists is made of.
type Config struct {
	Grammar  Grammar
	Obtainer Obtainer
	Deadline time.Duration // of one attempt at a thumbnail
	AtOnce   func() int    // how many thumbnails; asked at the start of each list
}

// Renderer renders lists.
type Renderer struct{ config Config }

// New makes a renderer of lists.
func New(c Config) *Renderer { return &Renderer{c} }

// Item is one thumbnail: the path by which a client would ask for it, unsigned where it
// is Thumbor's, or a spec.
type Item struct {
	Path string          `json:"path,omitempty"`
	Spec json.RawMessage `json:"spec,omitempty"`
}

// Result is what became of one thumbnail.
type Result struct {
	Path    string          `json:"path,omitempty"` // of its item
	Spec    json.RawMessage `json:"spec,omitempty"` // likewise
	Number  int             `json:"number"`         // of this result, from 1
	Of      int             `json:"of"`
	Outcome string          `json:"outcome"` // hit, rendered, shared, or the fault
	Message string          `json:"message,omitempty"`
	Key     string          `json:"key,omitempty"` // where it is kept
	Seconds float64         `json:"seconds"`
}

// OK reports whether the thumbnail is there now.
func (r Result) OK() bool { return r.Message == "" }

// Render renders a list and tells each result as it comes, one at a time. With renew it also
// renders again what today's rules would render otherwise. It ends with ctx: items that were
// not begun by then have no result.
func (b *Renderer) Render(ctx context.Context, items []Item, renew bool, tell func(Result)) {
	var group errgroup.Group
	group.SetLimit(max(1, b.config.AtOnce()))
	var mu sync.Mutex
	done := 0
	for _, item := range items {
		group.Go(func() error { // which waits for its turn first
			if ctx.Err() != nil {
				return nil
			}
			result := b.renderItem(ctx, item, renew)
			mu.Lock()
			defer mu.Unlock()
			done++
			result.Number, result.Of = done, len(items)
			tell(result)
			return nil
		})
	}
	_ = group.Wait()
}

func (b *Renderer) renderItem(ctx context.Context, item Item, renew bool) Result {
	began := time.Now()
	result := Result{Path: item.Path, Spec: item.Spec}
	t, err := b.targetOf(item)
	if err == nil {
		result.Key = t.Key.String()
		result.Outcome, err = b.obtainPatiently(ctx, t, renew)
	}
	if err != nil {
		f := fault.Of(err)
		result.Outcome, result.Message = string(f.Kind), f.Message
	}
	result.Seconds = time.Since(began).Seconds()
	return result
}

func (b *Renderer) targetOf(item Item) (target.Target, error) {
	if item.Spec != nil {
		return b.config.Grammar.FromSpec(item.Spec)
	}
	u, err := url.ParseRequestURI(item.Path)
	if err != nil {
		return target.Target{}, fault.New(fault.BadURL, "%q is no path of a thumbnail", item.Path)
	}
	t, _, err := b.config.Grammar.Read(&http.Request{RequestURI: item.Path, URL: u, Header: http.Header{}}, grammar.Rights{Trusted: true})
	if err == nil && (t.Stored != nil || t.Redirect != "") {
		err = fault.New(fault.BadURL, "the path is that of an original, or of another size, and not of a thumbnail")
	}
	return t, err
}

// obtainPatiently tries until no throttle refuses the thumbnail any more, at most attempts
// times. It gives the last refusal.
func (b *Renderer) obtainPatiently(ctx context.Context, t target.Target, renew bool) (outcome string, err error) {
	for attempt := 1; ; attempt++ {
		outcome, err = b.obtainOnce(ctx, t, renew)
		if err != nil && ctx.Err() != nil {
			return "", abandoned(ctx)
		}
		pause := pauseAfter(err)
		if pause == 0 || attempt == attempts {
			return outcome, err
		}
		if periodic.Sleep(ctx, pause) != nil {
			return "", abandoned(ctx)
		}
	}
}

func abandoned(ctx context.Context) error {
	return fault.Wrap(ctx.Err(), fault.Unavailable, "the client that asked for the list has left, or the time for the list is over")
}

func (b *Renderer) obtainOnce(ctx context.Context, t target.Target, renew bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, b.config.Deadline)
	defer cancel()
	thumb, err := b.config.Obtainer.Obtain(ctx, obtain.Request{ID: nuid.Next(), Client: clientaddr.Nobody, Target: t, Bulk: true, Renew: renew})
	if errors.Is(err, context.DeadlineExceeded) {
		return "", fault.Wrap(err, fault.Deadline, "the thumbnail was not ready within %v", b.config.Deadline)
	}
	if err != nil {
		return "", err
	}
	if thumb.Object != nil {
		_ = thumb.Object.Close()
	}
	return string(thumb.Source), nil
}

// pauseAfter is the pause after a refusal that time mends; 0 = there is no use in another
// attempt.
func pauseAfter(err error) time.Duration {
	var f *fault.Fault
	if !errors.As(err, &f) {
		return 0
	}
	switch f.Kind {
	case fault.Throttled, fault.LaneFull, fault.NoRenderer, fault.Unavailable:
		pause := min(f.RetryAfter(), longestPause)
		return pause/2 + rand.N(pause/2+1) //nolint:gosec // jitter is no secret
	}
	return 0
}
