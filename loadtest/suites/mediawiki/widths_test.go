package mediawiki

import (
	"image"
	"slices"
	"testing"
)

// Edges that render few widths serve the next larger one, and each file's own width.
func TestFewWidths(t *testing.T) {
	onlyLong(t)
	m := setUp(t, slices.Concat(inFolder, widths))
	m.uploadLandscape("Odd.jpg", 700, 350)
	for width, want := range map[int]image.Point{120: {120, 60}, 130: {250, 125}, 501: {700, 350}, 700: {700, 350}} {
		m.sees("with few widths", m.thumbOf("Odd.jpg", width), want)
	}
	for _, p := range open(t, m.wiki.Dir+"/chromium").sees(m.wiki.Page("File:Odd.jpg")).Pictures {
		if p.NaturalWidth < p.Width || p.NaturalWidth*p.Height != p.NaturalHeight*p.Width && p.Width > 0 {
			t.Errorf("the file's page shows %+v", p)
		}
	}
}
