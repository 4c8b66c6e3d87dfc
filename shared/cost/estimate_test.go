package cost

import (
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/shared/lanes"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const photo = 10_000_000 // bytes of 24 megapixels

func asked(width, height int, f thumbnail.Format, more func(*thumbnail.Spec)) thumbnail.Spec {
	s := thumbnail.Spec{Type: thumbnail.TypeJPEG, Width: width, Height: height, Format: f, Quality: 87}
	if more != nil {
		more(&s)
	}
	return s
}

// The largest usual size of a large photograph is never refused, a screen's size stays in the standard lane in every
// format, and the attack's sizes leave it.
func TestUsualSizesAreShort(t *testing.T) {
	sharpened := func(s *thumbnail.Spec) { s.Sharpen = &thumbnail.Sharpen{Sigma: 0.8, Amount: 1, Ratio: 0.85} }
	for _, f := range []thumbnail.Format{"jpg", "webp", "avif", "jxl", "png"} {
		for _, more := range []func(*thumbnail.Spec){nil, sharpened} {
			if got := (&Rates{}).Estimate(asked(3840, 0, f, more), photo); got >= 4*time.Second {
				t.Errorf("%s at 3840 pixels, sharpened %v: %v", f, more != nil, got)
			}
			if got := (&Rates{}).Estimate(asked(1600, 0, f, more), photo); got >= lanes.LongCost {
				t.Errorf("%s at 1600 pixels, sharpened %v: %v", f, more != nil, got)
			}
		}
	}
	if got := (&Rates{}).Estimate(asked(4000, 0, "webp", nil), photo); got < lanes.LongCost {
		t.Errorf("a WebP of 6000 pixels: %v", got)
	}
}

func TestEstimates(t *testing.T) {
	var r Rates
	for name, c := range map[string]struct {
		spec        thumbnail.Spec
		bytes       int64
		least, most time.Duration
	}{
		"a usual thumbnail":                 {asked(320, 0, "jpg", nil), photo, 0, 300 * time.Millisecond},
		"the largest of a wiki":             {asked(3840, 0, "webp", nil), photo, time.Second, 3 * time.Second},
		"a WebP of 7000 pixels":             {asked(7000, 0, "webp", nil), photo, 5 * time.Second, 8 * time.Second},
		"a WebP of a small JPEG":            {asked(7000, 0, "webp", nil), 50_000, 0, time.Second},
		"a small JPEG that is wanted large": {asked(7000, 0, "webp", func(s *thumbnail.Spec) { s.Enlarge = true }), 50_000, 5 * time.Second, 8 * time.Second},
		"max_bytes at 40 megapixels": {
			asked(8000, 5000, "webp", func(s *thumbnail.Spec) { s.MaxBytes, s.Quality, s.Enlarge = 1000, 100, true }), photo, 40 * time.Second, 120 * time.Second,
		},
		"a filter":        {asked(7000, 5000, "jpg", func(s *thumbnail.Spec) { s.Operations = make([]thumbnail.Operation, 2) }), photo, 17 * time.Second, 25 * time.Second},
		"no size at all":  {asked(0, 0, "webp", nil), 1000, 0, 100 * time.Millisecond},
		"as a PNG itself": {thumbnail.Spec{Type: thumbnail.TypePNG, Width: 4000, Height: 4000}, 1000, 2 * time.Second, 4 * time.Second},
	} {
		if got := r.Estimate(c.spec, c.bytes); got < c.least || got > c.most {
			t.Errorf("%s: %v, want %v to %v", name, got, c.least, c.most)
		}
	}
}

// A format's rate follows the renders, within bounds, and a spec of MostPixels takes the time asked for.
func TestRatesLearn(t *testing.T) {
	var r Rates
	s := asked(4000, 3000, "webp", nil)
	first := r.Estimate(s, photo)
	for range 200 {
		r.Note(s, photo, 2*first)
	}
	if got := r.Estimate(s, photo); got < first*19/10 || got > first*21/10 {
		t.Errorf("estimated %v after renders of %v", got, 2*first)
	}
	if got, other := r.Estimate(asked(4000, 3000, "jpg", nil), photo), (&Rates{}).Estimate(asked(4000, 3000, "jpg", nil), photo); got != other {
		t.Errorf("another format's rate changed: %v, %v", got, other)
	}
	for range 200 {
		r.Note(s, photo, time.Hour)
	}
	if got := r.Estimate(s, photo); got > first*worstFactor*101/100 {
		t.Errorf("estimated %v, above the bound of the correction", got)
	}
	most := r.MostPixels(s, 10*time.Second)
	s.Width, s.Height, s.Enlarge = int(most/1000), 1000, true
	if got := r.Estimate(s, 0); got < 9*time.Second || got > 10*time.Second {
		t.Errorf("%d pixels take %v, want 10 s", most, got)
	}
	if err := r.Refuse(s, 9*time.Second); err == nil {
		t.Error("a thumbnail that takes ten seconds is not refused after nine")
	}
	s.Width, s.Height = 330, 220
	if err := r.Refuse(s, 9*time.Second); err != nil {
		t.Errorf("a small thumbnail of any original is refused: %v", err)
	}
}
