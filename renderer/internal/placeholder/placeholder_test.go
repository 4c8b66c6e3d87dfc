package placeholder

import (
	"image"
	"image/color"
	"slices"
	"testing"
)

// blend is a picture whose pixels a formula gives, so that other programs can draw it too.
func blend(w, h int, transparent bool) *image.NRGBA {
	p := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{uint8(255 - x*255/(w-1)), uint8(255 - y*255/(h-1)), uint8(x * y % 256), 255}
			if transparent {
				c.A = uint8((x + y) * 255 / (w + h - 2))
			}
			p.SetNRGBA(x, y, c)
		}
	}
	return p
}

// The hashes were recorded from the packages thumbhash 0.1.1 and blurhash 2.0.5 of npm, by the authors of the formats.
// npm's blurhash ignores alpha, so transparent pictures have no BlurHash here, and it takes the largest strength without its sign,
// so the largest of these pictures are positive.
func TestHashesAreTheirAuthors(t *testing.T) {
	for _, c := range []struct {
		w, h        int
		transparent bool
		thumb, blur string
	}{
		{100, 75, false, "H/gJPZp/eHd/d3d3d4d3d4+P+AeI", "L+HetQ|t$3w]lwj=jsfigafifPfi"},
		{40, 100, false, "X/gJQxp/f3d3eHd3n4/5B4g=", "T-HoE?|@$2lvj=jrgafhfPkRj?ju"},
		{64, 64, true, "XAeGHQwnX2hPeIWHZ29P9gaXcIdweId3hw==", ""},
		{100, 30, true, "m9eFIo4nTmhPd4ZdT+gFiYCHhYiIeIg=", ""},
	} {
		d, err := Of(blend(c.w, c.h, c.transparent))
		if err != nil || d.ThumbHash != c.thumb || c.blur != "" && d.BlurHash != c.blur {
			t.Errorf("%d × %d, transparent %v: %+v, %v, want %s %s", c.w, c.h, c.transparent, d, err, c.thumb, c.blur)
		}
	}
}

func TestColours(t *testing.T) {
	p := image.NewNRGBA(image.Rect(0, 0, 10, 10))
	for i := range 100 {
		c := color.NRGBA{200, 0, 0, 255}
		switch {
		case i >= 98:
			c = color.NRGBA{0, 255, 0, 0} // invisible
		case i >= 60:
			c = color.NRGBA{0, 0, 100, 255}
		case i >= 50:
			c = color.NRGBA{220, 20, 10, 255} // nearly the first
		}
		p.SetNRGBA(i%10, i/10, c)
	}
	average, dominant := colours(p)
	if average != "#7c0228" || !slices.Equal(dominant, []string{"#cb0302", "#000064"}) {
		t.Errorf("%s, %v", average, dominant)
	}
	if average, dominant := colours(image.NewNRGBA(image.Rect(0, 0, 2, 2))); average != "#000000" || dominant != nil {
		t.Errorf("nothing visible: %s, %v", average, dominant)
	}
}

func TestSmallAndInvisiblePictures(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {1, MaxSide}, {MaxSide, 1}} {
		if d, err := Of(image.NewNRGBA(image.Rectangle{Max: size})); err != nil || d.BlurHash == "" || d.ThumbHash == "" {
			t.Errorf("%v: %+v, %v", size, d, err)
		}
	}
}
