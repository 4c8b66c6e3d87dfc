package geometry

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// The sizes and places follow from imgproxy's processing/prepare.go and calc_position.go.
func TestResize(t *testing.T) {
	wide := Size{200, 100}
	for name, c := range map[string]struct {
		spec     thumbnail.Spec
		resize   thumbnail.Resize
		original Size
		scaled   Size
		cut      Rect
		canvas   Canvas
	}{
		"fit":                {thumbnail.Spec{Width: 100, Height: 100}, thumbnail.Resize{Mode: "fit"}, wide, Size{100, 50}, Rect{0, 0, 100, 50}, Canvas{Size{100, 50}, 0, 0}},
		"fit a width":        {thumbnail.Spec{Width: 50}, thumbnail.Resize{Mode: "fit"}, wide, Size{50, 25}, Rect{0, 0, 50, 25}, Canvas{Size{50, 25}, 0, 0}},
		"fit enlarges not":   {thumbnail.Spec{Width: 900}, thumbnail.Resize{Mode: "fit"}, wide, wide, Rect{0, 0, 200, 100}, Canvas{wide, 0, 0}},
		"fit enlarges":       {thumbnail.Spec{Width: 400, Enlarge: true}, thumbnail.Resize{Mode: "fit"}, wide, Size{400, 200}, Rect{0, 0, 400, 200}, Canvas{Size{400, 200}, 0, 0}},
		"fill":               {thumbnail.Spec{Width: 150, Height: 50}, thumbnail.Resize{Mode: "fill"}, wide, Size{150, 75}, Rect{0, 13, 150, 50}, Canvas{Size{150, 50}, 0, 0}},
		"fill at an edge":    {thumbnail.Spec{Width: 150, Height: 50}, thumbnail.Resize{Mode: "fill", Anchor: thumbnail.Anchor{Down: 1, Y: 5}}, wide, Size{150, 75}, Rect{0, 20, 150, 50}, Canvas{Size{150, 50}, 0, 0}},
		"fill at a point":    {thumbnail.Spec{Width: 50, Height: 50}, thumbnail.Resize{Mode: "fill", Anchor: thumbnail.Anchor{Point: true, X: .9, Y: .5}}, wide, Size{100, 50}, Rect{50, 0, 50, 50}, Canvas{Size{50, 50}, 0, 0}},
		"fill a small one":   {thumbnail.Spec{Width: 300, Height: 50}, thumbnail.Resize{Mode: "fill"}, wide, wide, Rect{0, 26, 200, 50}, Canvas{Size{200, 50}, 0, 0}},
		"fill down":          {thumbnail.Spec{Width: 300, Height: 300}, thumbnail.Resize{Mode: "fill-down"}, wide, wide, Rect{50, 0, 100, 100}, Canvas{Size{100, 100}, 0, 0}},
		"force":              {thumbnail.Spec{Width: 400, Height: 50, Enlarge: true}, thumbnail.Resize{Mode: "force"}, wide, Size{400, 50}, Rect{0, 0, 400, 50}, Canvas{Size{400, 50}, 0, 0}},
		"force enlarges not": {thumbnail.Spec{Width: 400, Height: 50}, thumbnail.Resize{Mode: "force"}, wide, Size{200, 25}, Rect{0, 0, 200, 25}, Canvas{Size{200, 25}, 0, 0}},
		"force one side":     {thumbnail.Spec{Width: 50}, thumbnail.Resize{Mode: "force"}, wide, Size{50, 100}, Rect{0, 0, 50, 100}, Canvas{Size{50, 100}, 0, 0}},
		"auto fills":         {thumbnail.Spec{Width: 50, Height: 50}, thumbnail.Resize{Mode: "auto"}, wide, Size{100, 50}, Rect{26, 0, 50, 50}, Canvas{Size{50, 50}, 0, 0}},
		"auto fits":          {thumbnail.Spec{Width: 50, Height: 100}, thumbnail.Resize{Mode: "auto"}, wide, Size{50, 25}, Rect{0, 0, 50, 25}, Canvas{Size{50, 25}, 0, 0}},
		"dense":              {thumbnail.Spec{Width: 300, Height: 300}, thumbnail.Resize{Mode: "fill", Density: 2}, Size{400, 500}, Size{400, 500}, Rect{0, 50, 400, 400}, Canvas{Size{400, 400}, 0, 0}},
		"zoom":               {thumbnail.Spec{}, thumbnail.Resize{Mode: "fit", ZoomX: .5, ZoomY: .25}, wide, Size{100, 25}, Rect{0, 0, 100, 25}, Canvas{Size{100, 25}, 0, 0}},
		"at least":           {thumbnail.Spec{Width: 50}, thumbnail.Resize{Mode: "fit", MinHeight: 50}, wide, Size{100, 50}, Rect{26, 0, 50, 50}, Canvas{Size{50, 50}, 0, 0}},
		"extend":             {thumbnail.Spec{Width: 300, Height: 300}, thumbnail.Resize{Mode: "fit", Extend: "size"}, wide, wide, Rect{0, 0, 200, 100}, Canvas{Size{300, 300}, 50, 100}},
		"extend at an edge":  {thumbnail.Spec{Width: 300, Height: 300}, thumbnail.Resize{Mode: "fit", Extend: "size", ExtendAnchor: thumbnail.Anchor{Across: 1, Down: -1, X: 7}}, wide, wide, Rect{0, 0, 200, 100}, Canvas{Size{300, 300}, 93, 0}},
		"extend a ratio":     {thumbnail.Spec{Width: 300, Height: 300}, thumbnail.Resize{Mode: "fit", Extend: "ratio"}, wide, wide, Rect{0, 0, 200, 100}, Canvas{Size{200, 200}, 0, 50}},
		"padding":            {thumbnail.Spec{Width: 100}, thumbnail.Resize{Mode: "fit", Padding: thumbnail.Padding{Top: 1, Right: 2, Bottom: 3, Left: 4}, Density: 2}, wide, wide, Rect{0, 0, 200, 100}, Canvas{Size{212, 108}, 8, 2}},
	} {
		c.spec.Resize = &c.resize
		if got := New(c.spec, c.original); got.Scaled != c.scaled || got.Cut != c.cut || got.Canvas != c.canvas {
			t.Errorf("%s: %v %v %v, want %v %v %v", name, got.Scaled, got.Cut, got.Canvas, c.scaled, c.cut, c.canvas)
		}
	}
}

func TestPartsOfAnOriginal(t *testing.T) {
	for name, c := range map[string]struct {
		part thumbnail.Part
		want Rect
	}{
		"all":         {thumbnail.Part{}, Rect{0, 0, 200, 100}},
		"a corner":    {thumbnail.Part{Width: 50, Height: .5, Anchor: thumbnail.Anchor{Across: 1, Down: 1}}, Rect{150, 50, 50, 50}},
		"moved":       {thumbnail.Part{Width: 50, Height: 50, Anchor: thumbnail.Anchor{Across: -1, Down: -1, X: .1, Y: 10}}, Rect{20, 10, 50, 50}},
		"too large":   {thumbnail.Part{Width: 5000, Height: 1}, Rect{0, 50, 200, 1}},
		"pushed back": {thumbnail.Part{Width: 50, Height: 50, Anchor: thumbnail.Anchor{Point: true, X: 1, Y: 0}}, Rect{150, 0, 50, 50}},
	} {
		if got := New(thumbnail.Spec{Resize: &thumbnail.Resize{Mode: "fit", Crop: c.part}}, Size{200, 100}); got.Crop != c.want {
			t.Errorf("%s: %v, want %v", name, got.Crop, c.want)
		}
	}
}

// Every plan is within its original and its canvas; without Enlarge no picture grows.
func TestAnyResizeIsPossible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side, factor := rapid.IntRange(0, 500), rapid.Float64Range(0, 4)
		anchor := rapid.Custom(func(t *rapid.T) thumbnail.Anchor {
			a := thumbnail.Anchor{Across: rapid.IntRange(-1, 1).Draw(t, "across"), Down: rapid.IntRange(-1, 1).Draw(t, "down"), X: rapid.Float64Range(-90, 90).Draw(t, "x"), Y: rapid.Float64Range(-1, 1).Draw(t, "y")}
			if rapid.Bool().Draw(t, "point") {
				a = thumbnail.Anchor{Point: true, X: rapid.Float64Range(0, 1).Draw(t, "x"), Y: rapid.Float64Range(0, 1).Draw(t, "y")}
			}
			return a
		})
		r := &thumbnail.Resize{
			Mode: rapid.SampledFrom([]thumbnail.Mode{"fit", "fill", "fill-down", "force", "auto"}).Draw(t, "mode"), Density: factor.Draw(t, "density"),
			ZoomX: factor.Draw(t, "zoom x"), ZoomY: factor.Draw(t, "zoom y"), Anchor: anchor.Draw(t, "anchor"), ExtendAnchor: anchor.Draw(t, "extend anchor"),
			Crop:     thumbnail.Part{Width: rapid.Float64Range(0, 600).Draw(t, "part"), Height: rapid.Float64Range(0, 1).Draw(t, "share"), Anchor: anchor.Draw(t, "part's anchor")},
			Extend:   rapid.SampledFrom([]thumbnail.Extend{"", "size", "ratio"}).Draw(t, "extend"),
			MinWidth: side.Draw(t, "least width"), MinHeight: side.Draw(t, "least height"), Padding: thumbnail.Padding{Left: side.Draw(t, "left"), Top: side.Draw(t, "top")},
		}
		s := thumbnail.Spec{Width: side.Draw(t, "width"), Height: side.Draw(t, "height"), Enlarge: rapid.Bool().Draw(t, "enlarge"), Resize: r}
		original := Size{1 + side.Draw(t, "w"), 1 + side.Draw(t, "h")}
		p := New(s, original)
		inside := func(inner Rect, outer Size) bool {
			return inner.Left >= 0 && inner.Top >= 0 && inner.Width >= 1 && inner.Height >= 1 && inner.Left+inner.Width <= outer.Width && inner.Top+inner.Height <= outer.Height
		}
		if !inside(p.Crop, original) || !inside(p.Cut, p.Scaled) || !inside(Rect{p.Canvas.Left, p.Canvas.Top, p.Cut.Width, p.Cut.Height}, p.Canvas.Size) {
			t.Fatalf("%+v of %v", p, original)
		}
		least := r.MinWidth > 0 || r.MinHeight > 0
		if !s.Enlarge && !least && (p.Scaled.Width > p.Crop.Width || p.Scaled.Height > p.Crop.Height) {
			t.Fatalf("%v is enlarged to %v", p.Crop, p.Scaled)
		}
	})
}
