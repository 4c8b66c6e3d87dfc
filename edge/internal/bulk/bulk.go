// Package bulk renders lists of thumbnails before clients ask for them. Their jobs go to the bulk
// lane, which waits behind the jobs of clients; as many run at once as that lane takes. When a
// throttle refuses a thumbnail, the package tries again after about the time in the refusal.
package bulk

import (
	"context"
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
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/periodic"
)

const (
	// attempts bounds the attempts at one thumbnail while throttles refuse it.
	attempts = 20
	// longestPause bounds the pause between two attempts. A refusal may ask for a longer one.
	longestPause = 15 * time.Second
)

// Obtainer returns thumbnails, and renders them if they are missing.
type Obtainer interface {
	Obtain(ctx context.Context, r obtain.Request) (obtain.Thumb, error)
}

// Grammar reads the items of a list.
type Grammar interface {
	// Read returns the target of a request, and the grammar's name. Errors are faults.
	Read(r *http.Request, rights grammar.Rights) (target.Target, string, error)
	// FromSpec returns the target of a spec in JSON. Errors are faults.
	FromSpec(text []byte) (target.Target, error)
	// Standard returns the path of an original's thumbnail with a width in pixels.
	Standard(original string, width int) string
}

// Config configures a renderer of lists.
type Config struct {
	Grammar  Grammar
	Obtainer Obtainer
	Deadline time.Duration // of one attempt at a thumbnail
	AtOnce   func() int    // thumbnails at once; called at the start of each list
}

// Renderer renders lists.
type Renderer struct{ config Config }

// New returns a renderer of lists.
func New(c Config) *Renderer { return &Renderer{c} }

// Item is one thumbnail, as operators name it.
type Item = operators.RenderItem

// Result is the outcome of one thumbnail, as operators read it.
type Result = operators.RenderResult

// Render renders a list. It calls tell with each result as soon as the result is known, and never
// concurrently. With renew it also renders stored thumbnails again if the current rules give
// another picture. It ends with ctx; items that have not begun by then get no result.
func (b *Renderer) Render(ctx context.Context, items []Item, renew bool, tell func(Result)) {
	var group errgroup.Group
	group.SetLimit(max(1, b.config.AtOnce()))
	var mu sync.Mutex
	done := 0
	for _, item := range items {
		group.Go(func() error { // Go blocks while the limit is reached
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
	if t.Odd != nil && fault.Is(err, fault.OddSize) {
		result.Key = ""
		if t, err = standard(t); err == nil {
			result.Key = t.Key.String()
			result.Outcome, err = b.obtainPatiently(ctx, t, renew)
		}
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
		return target.Target{}, fault.New(fault.BadURL, "%q is not a path: write the path of a thumbnail, such as /unsafe/320x/a.jpg", item.Path)
	}
	t, _, err := b.config.Grammar.Read(&http.Request{RequestURI: item.Path, URL: u, Header: http.Header{}}, grammar.Rights{Trusted: true})
	if err == nil && t.Stored != nil {
		err = fault.New(fault.BadURL, "%q is the path of an original: write the path of a thumbnail", item.Path)
	}
	return t, err
}

// standard returns the thumbnail of a standard width in place of t's, or a fault that names its path.
func standard(t target.Target) (target.Target, error) {
	t, err := t.Standard()
	if err == nil && t.Redirect != "" {
		err = fault.New(fault.OddSize, "the width is neither a standard one nor the original's own: write %s", t.Redirect)
	}
	return t, err
}

// obtainPatiently tries until no throttle refuses the thumbnail, at most attempts times. It returns
// the last refusal.
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
	return fault.Wrap(ctx.Err(), fault.Unavailable, "the client of this list has left, or the time for the list is over")
}

func (b *Renderer) obtainOnce(ctx context.Context, t target.Target, renew bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, b.config.Deadline)
	defer cancel()
	thumb, err := b.config.Obtainer.Obtain(ctx, obtain.Request{ID: nuid.Next(), Client: clientaddr.Nobody, Target: t, Bulk: true, Renew: renew})
	if errors.Is(err, context.DeadlineExceeded) {
		return "", fault.Wrap(err, fault.Deadline, "the thumbnail was not ready within %v: try again", b.config.Deadline)
	}
	if err != nil {
		return "", err
	}
	if thumb.Object != nil {
		_ = thumb.Object.Close()
	}
	return string(thumb.Source), nil
}

// pauseAfter returns the pause before the next attempt: between half and all of the refusal's
// retry time, at most longestPause. It returns 0 when another attempt cannot help.
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
