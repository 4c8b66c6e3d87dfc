package bucket

import (
	"path"
	"testing"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func plain(change func(*thumbnail.Spec)) thumbnail.Spec {
	s := thumbnail.Spec{Original: thumbnail.Location{Path: "a.pdf"}, Type: thumbnail.TypePDF, Width: 320, Quality: 80, Chroma: "4:2:0"}
	if change != nil {
		change(&s)
	}
	return s
}

func TestWidth(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*thumbnail.Spec)
		want   int
	}{
		"the narrowest that is wide enough": {nil, 640},
		"the next one":                      {func(s *thumbnail.Spec) { s.Width = 321 }, 1280},
		"none is wide enough":               {func(s *thumbnail.Spec) { s.Width = 641 }, 0},
		"into a box":                        {func(s *thumbnail.Spec) { s.Type, s.Height, s.Fit = thumbnail.TypeTIFF, 200, thumbnail.FitIn }, 640},
		"sharpened": {func(s *thumbnail.Spec) {
			s.Type, s.Sharpen = thumbnail.TypeTIFF, &thumbnail.Sharpen{Sigma: 1, Ratio: 0.85}
		}, 640},
		"a page, sharpened": {func(s *thumbnail.Spec) { s.Sharpen = &thumbnail.Sharpen{Sigma: 1, Ratio: 0.85} }, 0},
		"a page into a box": {func(s *thumbnail.Spec) { s.Height, s.Fit = 200, thumbnail.FitIn }, 0},
		"sharpened when much smaller": {func(s *thumbnail.Spec) {
			s.Type, s.Sharpen = thumbnail.TypeTIFF, &thumbnail.Sharpen{Sigma: 1, Ratio: 0.5}
		}, 0},
		"exact":         {func(s *thumbnail.Spec) { s.Exact = true }, 0},
		"cut to a box":  {func(s *thumbnail.Spec) { s.Height = 200 }, 0},
		"over a box":    {func(s *thumbnail.Spec) { s.Height, s.Fit = 200, thumbnail.FitFull }, 0},
		"cropped":       {func(s *thumbnail.Spec) { s.Crop = &thumbnail.Rect{Right: 9, Bottom: 9} }, 0},
		"trimmed":       {func(s *thumbnail.Spec) { s.Trim = &thumbnail.Trim{} }, 0},
		"filtered":      {func(s *thumbnail.Spec) { s.Operations = []thumbnail.Operation{{Name: thumbnail.StepGrayscale}} }, 0},
		"by its height": {func(s *thumbnail.Spec) { s.Width, s.Height = 0, 200 }, 0},
		"a description": {func(s *thumbnail.Spec) { s.Meta = true }, 0},
		"a drawing":     {func(s *thumbnail.Spec) { s.Type = thumbnail.TypeSVG }, 0},
		"an animation":  {func(s *thumbnail.Spec) { s.Type = thumbnail.TypeGIF }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Width(plain(c.change), []int{640, 1280}); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
	if got := Width(plain(nil), nil); got != 0 {
		t.Errorf("without buckets: %d", got)
	}
}

// A bucket lies beside the thumbnails of its original, for each that shows something else.
func TestKeys(t *testing.T) {
	at := thumbnail.Location{Container: "thumb", Path: "a/ab/A.pdf/page1-320px-A.pdf.jpg"}
	first := Of(plain(nil), at, 1280)
	if path.Dir(first.Key.Path) != path.Dir(at.Path) || first.Key.Container != at.Container || !objectstore.Valid(first.Key) {
		t.Errorf("%v", first.Key)
	}
	other := at
	other.Path = "a/ab/A.pdf/page1-250px-A.pdf.jpg"
	same := plain(func(s *thumbnail.Spec) { s.Width, s.Quality, s.Format = 250, 40, thumbnail.FormatWebP })
	if Of(same, other, 1280).Key != first.Key {
		t.Error("another size has another bucket")
	}
	for name, change := range map[string]func(*thumbnail.Spec){
		"page":        func(s *thumbnail.Spec) { s.Page = 2 },
		"language":    func(s *thumbnail.Spec) { s.Lang = "fr" },
		"orientation": func(s *thumbnail.Spec) { s.AsStored = true },
		"first frame": func(s *thumbnail.Spec) { s.FirstFrame = true },
		"EXIF":        func(s *thumbnail.Spec) { s.KeepEXIF = true },
	} {
		if Of(plain(change), at, 1280).Key == first.Key {
			t.Errorf("another %s has the same bucket", name)
		}
	}
}

func TestIsIn(t *testing.T) {
	b := Of(plain(nil), thumbnail.Location{Path: "a.pdf/x"}, 1280)
	whole := objectstore.Meta{SpecDigest: b.Spec.Digest(), Rules: thumbnail.RulesVersion, OriginalVersion: "v1", Sides: objectstore.Sides{1, 2}}
	if !b.IsIn(whole, "v1") {
		t.Error("it is not taken for the bucket")
	}
	for name, change := range map[string]func(*objectstore.Meta){
		"of another version":    func(m *objectstore.Meta) { m.OriginalVersion = "v2" },
		"of no known version":   func(m *objectstore.Meta) { m.OriginalVersion = "" },
		"of another spec":       func(m *objectstore.Meta) { m.SpecDigest = "x" },
		"by other rules":        func(m *objectstore.Meta) { m.Rules-- },
		"of sides nobody knows": func(m *objectstore.Meta) { m.Sides = objectstore.Sides{} },
	} {
		m := whole
		change(&m)
		if b.IsIn(m, m.OriginalVersion) && name == "of no known version" || b.IsIn(m, "v1") {
			t.Errorf("%s: it is taken for the bucket", name)
		}
	}
}
