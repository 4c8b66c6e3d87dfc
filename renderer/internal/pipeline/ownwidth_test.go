package pipeline

import (
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/engine"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestOnlyTheOwnWidth(t *testing.T) {
	only := func(width int) func(*intake.Delivery) {
		return func(d *intake.Delivery) { d.Job.OwnWidthOnly, d.Job.Spec.Width = true, width }
	}
	video := func(sides objectstore.Sides) func(*world) {
		return func(w *world) {
			w.set("a.png", file{[]byte("OggS and so on"), "v1"})
			w.renders[0] = func() (engine.Result, error) {
				return engine.Result{Image: []byte("picture"), Format: thumbnail.FormatPNG, Width: 1, Height: 1, Sides: sides}, nil
			}
		}
	}
	film := func(width int) func(*intake.Delivery) {
		return func(d *intake.Delivery) {
			only(width)(d)
			d.Job.Spec.Type, d.Job.Lane = thumbnail.TypeVideo, "expensive"
		}
	}
	testWays(t, []way{
		{name: "its own", job: only(20), want: whole, kept: true},
		{name: "another", job: only(10), want: events(read, "failed: odd-size")},
		{name: "its own, after the draw", job: film(64), world: video(objectstore.Sides{64, 48}), want: whole, kept: true},
		{name: "another, after the draw", job: film(60), world: video(objectstore.Sides{64, 48}), want: events(rendered, "failed: odd-size")},
	})
}

func TestTheOwnWidthIsMediaWikis(t *testing.T) {
	for name, c := range map[string]struct {
		header guard.Header
		page   int
		want   int
		known  bool
	}{
		"a picture":            {guard.Header{Type: thumbnail.TypeJPEG, Width: 30, Height: 20, Orientation: 1}, 0, 30, true},
		"a turned picture":     {guard.Header{Type: thumbnail.TypeJPEG, Width: 30, Height: 20, Orientation: 6}, 0, 20, true},
		"a drawing":            {guard.Header{Type: thumbnail.TypeSVG, Width: 794, Height: 1123, Shown: [2]int{744, 1052}}, 0, 744, true},
		"a drawing of no size": {guard.Header{Type: thumbnail.TypeSVG}, 0, 0, true},
		"a TIFF":               {guard.Header{Type: thumbnail.TypeTIFF, Width: 30, Height: 20}, 1, 30, true},
		"a TIFF's second page": {guard.Header{Type: thumbnail.TypeTIFF, Width: 30, Height: 20}, 2, 0, false},
		"a page":               {guard.Header{Type: thumbnail.TypePDF}, 1, 0, false},
	} {
		if got, known := ownWidth(c.header, thumbnail.Spec{Page: c.page}); got != c.want || known != c.known {
			t.Errorf("%s: %d, %v", name, got, known)
		}
	}
	if got := drawnWidth(thumbnail.TypePDF, objectstore.Sides{595.276, 841.89}); got != 1239 {
		t.Errorf("a page of A4: %d", got)
	}
}
