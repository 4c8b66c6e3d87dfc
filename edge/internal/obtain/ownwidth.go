package obtain

import (
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/cache"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// ownWidths remembers originals' own widths for edge.revalidate, as renderers measured them. A client that
// tries many widths of one original therefore causes one measurement.
type ownWidths struct {
	known cache.Cache[thumbnail.Location, measured]
}

// measured is the own width of a page in pixels; 0 means that MediaWiki has none.
type measured struct{ page, width int }

const (
	ownWidthsBound = 100_000
	// ownWidthFor is the least time that a width is remembered, so that edge.revalidate: 0 has a memory too.
	ownWidthFor = time.Second
)

func newOwnWidths(revalidate time.Duration) *ownWidths {
	known := otter.Must(&otter.Options[thumbnail.Location, measured]{
		MaximumSize: ownWidthsBound, Executor: cache.InCaller,
		ExpiryCalculator: otter.ExpiryWriting[thumbnail.Location, measured](max(revalidate, ownWidthFor)),
	})
	return &ownWidths{known}
}

func (o *ownWidths) close() { o.known.StopAllGoroutines() }

// check returns the fault OddSize for a target whose width is known to be odd.
func (o *ownWidths) check(t target.Target) error {
	if t.Odd == nil {
		return nil
	}
	m, ok := o.known.GetIfPresent(t.Spec.Original)
	if !ok || m.page != t.Spec.Page || m.width == t.Spec.Width {
		return nil
	}
	return renderjob.OddWidth(t.Spec.Width, m.width)
}

// note remembers the width of a result with the fault OddSize.
func (o *ownWidths) note(s thumbnail.Spec, result renderjob.Result) {
	if f := result.Fault; f != nil && f.Kind == fault.OddSize {
		o.known.Set(s.Original, measured{s.Page, result.OwnWidth})
	}
}

func (o *ownWidths) forget(original thumbnail.Location) { o.known.Invalidate(original) }
func (o *ownWidths) forgetAll()                         { o.known.InvalidateAll() }
