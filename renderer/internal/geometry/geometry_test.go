package geometry

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestPlans(t *testing.T) {
	type spec = thumbnail.Spec
	for name, c := range map[string]struct {
		spec     spec
		original Size
		want     Size
	}{
		"width in proportion":      {spec{Width: 400}, Size{1000, 700}, Size{400, 280}},
		"height in proportion":     {spec{Height: 70, Enlarge: true}, Size{1000, 700}, Size{100, 70}},
		"no size":                  {spec{}, Size{1000, 700}, Size{1000, 700}},
		"half to even":             {spec{Width: 3, HalfToEven: true}, Size{6, 5}, Size{3, 2}},
		"half up, as MediaWiki":    {spec{Width: 250}, Size{1000, 750}, Size{250, 188}},
		"a line keeps one pixel":   {spec{Width: 10}, Size{10000, 3}, Size{10, 1}},
		"no enlargement":           {spec{Width: 2000}, Size{1000, 700}, Size{1000, 700}},
		"no enlargement of a box":  {spec{Width: 2000, Height: 1000}, Size{1000, 700}, Size{1000, 500}},
		"enlargement":              {spec{Width: 2000, Enlarge: true}, Size{1000, 700}, Size{2000, 1400}},
		"cover":                    {spec{Width: 300, Height: 300}, Size{1000, 700}, Size{300, 300}},
		"fit in":                   {spec{Width: 300, Height: 300, Fit: thumbnail.FitIn}, Size{1000, 700}, Size{300, 210}},
		"fit in never enlarges":    {spec{Width: 3000, Height: 3000, Fit: thumbnail.FitIn}, Size{1000, 700}, Size{1000, 700}},
		"full fit in":              {spec{Width: 300, Height: 300, Fit: thumbnail.FitFull}, Size{1000, 700}, Size{429, 300}},
		"adaptive":                 {spec{Width: 300, Height: 200, Fit: thumbnail.FitIn, Adaptive: true}, Size{700, 1000}, Size{200, 286}},
		"original width":           {spec{OriginalWidth: true, Height: 100}, Size{1000, 700}, Size{1000, 100}},
		"crop then width":          {spec{Width: 50, Crop: &thumbnail.Rect{Left: 10, Top: 10, Right: 110, Bottom: 60}}, Size{1000, 700}, Size{50, 25}},
		"crop beyond the picture":  {spec{Crop: &thumbnail.Rect{Left: 900, Top: -5, Right: 5000, Bottom: 100}}, Size{1000, 700}, Size{100, 100}},
		"empty crop means none":    {spec{Crop: &thumbnail.Rect{Left: 5, Top: 5, Right: 5, Bottom: 9}}, Size{1000, 700}, Size{1000, 700}},
		"Wikimedia's Northumbria":  {spec{Width: 400}, Size{1000, 1215}, Size{400, 486}},
		"both sides of a portrait": {spec{Width: 100, Height: 50}, Size{700, 1000}, Size{100, 50}},
	} {
		if got := New(c.spec, c.original).Size(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestAlignment(t *testing.T) {
	original := Size{1000, 500}
	for align, left := range map[string]int{"left": 0, "": 50, "right": 100} {
		plan := New(thumbnail.Spec{Width: 100, Height: 100, HAlign: align}, original)
		if plan.Cut.Left != left || plan.Scaled != (Size{200, 100}) {
			t.Errorf("%q: cut at %d of %v", align, plan.Cut.Left, plan.Scaled)
		}
	}
	for align, top := range map[string]int{"top": 0, "": 50, "bottom": 100} {
		plan := New(thumbnail.Spec{Width: 100, Height: 100, VAlign: align}, Size{500, 1000})
		if plan.Cut.Top != top {
			t.Errorf("%q: cut at %d", align, plan.Cut.Top)
		}
	}
}

// For every spec and original, each rectangle lies inside the picture that it is cut from.
func TestPlansAreSound(t *testing.T) {
	side := rapid.IntRange(1, 20000)
	asked := rapid.IntRange(0, 9000)
	rapid.Check(t, func(t *rapid.T) {
		original := Size{side.Draw(t, "width"), side.Draw(t, "height")}
		s := thumbnail.Spec{
			Width: asked.Draw(t, "asked width"), Height: asked.Draw(t, "asked height"),
			Fit:     rapid.SampledFrom([]thumbnail.Fit{thumbnail.FitCover, thumbnail.FitIn, thumbnail.FitFull}).Draw(t, "fit"),
			Enlarge: rapid.Bool().Draw(t, "enlarge"), Adaptive: rapid.Bool().Draw(t, "adaptive"),
			HAlign: rapid.SampledFrom([]string{"", "left", "right"}).Draw(t, "halign"),
			VAlign: rapid.SampledFrom([]string{"", "top", "bottom"}).Draw(t, "valign"),
		}
		if rapid.Bool().Draw(t, "cropped") {
			s.Crop = &thumbnail.Rect{Left: asked.Draw(t, "l"), Top: asked.Draw(t, "t"), Right: asked.Draw(t, "r"), Bottom: asked.Draw(t, "b")}
		}
		p := New(s, original)
		inside := func(r Rect, s Size) bool {
			return r.Left >= 0 && r.Top >= 0 && r.Width > 0 && r.Height > 0 && r.Left+r.Width <= s.Width && r.Top+r.Height <= s.Height
		}
		if !inside(p.Crop, original) || !inside(p.Cut, p.Scaled) {
			t.Fatalf("spec %+v, original %v: plan %+v has a rectangle outside its picture", s, original, p)
		}
		if s.Fit == thumbnail.FitCover && s.Enlarge && s.Width > 0 && s.Height > 0 && p.Size() != (Size{s.Width, s.Height}) {
			t.Fatalf("requested %dx%d, got %v", s.Width, s.Height, p.Size())
		}
		if s.Fit != thumbnail.FitFull && !s.Enlarge && !s.Adaptive && (p.Size().Width > p.Crop.Width || p.Size().Height > p.Crop.Height) {
			t.Fatalf("spec %+v, original %v: plan %+v enlarges without Enlarge", s, original, p)
		}
	})
}

// Pages are as high as MediaWiki's HTML says: it drops fractions of a point, and of a dot.
func TestHeightsOfPages(t *testing.T) {
	for _, c := range []struct {
		sides [2]float64
		width int
		spec  thumbnail.Spec
		want  int
	}{
		{[2]float64{595.276, 841.89}, 300, thumbnail.Spec{}, 424}, // 1239 × 1752
		{[2]float64{595, 842}, 846, thumbnail.Spec{}, 1198},       // 1239 × 1754
		{[2]float64{595, 842}, 846, thumbnail.Spec{HalfToEven: true}, 1197},
		{[2]float64{0.3, 0.6}, 100, thumbnail.Spec{}, 200},
		{[2]float64{1000, 1}, 100, thumbnail.Spec{}, 1},
	} {
		c.spec.Width = c.width
		if got := HeightOf(c.spec, c.sides); got != c.want {
			t.Errorf("%v at %d: %d, want %d", c.sides, c.width, got, c.want)
		}
	}
}

func TestAnimationsThatMove(t *testing.T) {
	const most = 100_000_000
	for name, c := range map[string]struct {
		spec   thumbnail.Spec
		frames int
		want   bool
	}{
		"smaller":                     {thumbnail.Spec{Width: 500, MaxAnimatedArea: most}, 100, true},
		"larger than all may be":      {thumbnail.Spec{Width: 500, MaxAnimatedArea: 24_999_999}, 100, false},
		"an original of too many":     {thumbnail.Spec{Width: 500, MaxAnimatedArea: most}, 101, false},
		"enlarged":                    {thumbnail.Spec{Width: 2000, Enlarge: true, MaxAnimatedArea: most}, 2, true},
		"enlarged too far":            {thumbnail.Spec{Width: 2000, Enlarge: true, MaxAnimatedArea: most}, 3, false},
		"a part, enlarged too far":    {thumbnail.Spec{Width: 2000, Enlarge: true, Crop: &thumbnail.Rect{Right: 500, Bottom: 500}, MaxAnimatedArea: most}, 3, false},
		"as large as the original's":  {thumbnail.Spec{Width: 1000, MaxAnimatedArea: most}, 50, true},
		"without a limit in the spec": {thumbnail.Spec{Width: 500}, 2, false},
	} {
		plan := New(c.spec, Size{1000, 1000})
		if got := plan.Moves(c.spec, int64(c.frames)*1_000_000, c.frames); got != c.want {
			t.Errorf("%s: %v, %+v", name, got, plan)
		}
	}
}
