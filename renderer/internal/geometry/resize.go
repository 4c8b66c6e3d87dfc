package geometry

import (
	"math"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// factors are the scales of a picture, and the density that the picture's size permits.
type factors struct{ across, down, density float64 }

// resize plans a spec with imgproxy's rules (processing/prepare.go and calc_position.go of imgproxy 4.0): scale the whole
// part, cut it, and put it on a canvas.
func resize(s thumbnail.Spec, original Size) Plan {
	r := *s.Resize
	p := Plan{Crop: part(r.Crop, original)}
	source := Size{p.Crop.Width, p.Crop.Height}
	f := scales(s, source)
	p.Scaled = Size{grown(source.Width, f.across), grown(source.Height, f.down)}
	p.Box = Size{grown0(s.Width, f.density*orOne(r.ZoomX)), grown0(s.Height, f.density*orOne(r.ZoomY))}
	cut := p.Box
	if r.Mode == thumbnail.ModeFillDown && !s.Enlarge {
		cut = inRatio(p.Box, p.Scaled)
	}
	cut = Size{smaller(cut.Width, p.Scaled.Width), smaller(cut.Height, p.Scaled.Height)}
	left, top := position(r.Anchor, p.Scaled, cut, f.density)
	p.Cut = Rect{left, top, cut.Width, cut.Height}
	p.Focus = Point{source.Width / 2, source.Height / 2}
	p.Canvas = canvas(r, p.Box, cut, f.density)
	return p
}

// scales returns the factors from the source to the scaled picture.
func scales(s thumbnail.Spec, source Size) factors {
	r := *s.Resize
	across, down := shrinks(s, source)
	across, down = across/orOne(r.ZoomX), down/orOne(r.ZoomY)
	density := orOne(r.Density)
	if !s.Enlarge {
		if least := math.Min(across, down); least < 1 {
			across, down = across/least, down/least
			if r.Extend != thumbnail.ExtendToSize {
				density /= least
			}
		}
		density = math.Min(density, math.Min(across, down))
	}
	across, down = atLeast(across, down, source.Width, r.MinWidth)
	down, across = atLeast(down, across, source.Height, r.MinHeight)
	across, down = across/density, down/density
	return factors{1 / math.Min(across, float64(source.Width)), 1 / math.Min(down, float64(source.Height)), density}
}

// shrinks returns the quotients of the source's sides and the requested sides, as the mode brings them together.
func shrinks(s thumbnail.Spec, source Size) (across, down float64) {
	want := Size{s.Width, s.Height}
	if want.Width == 0 {
		want.Width = source.Width
	}
	if want.Height == 0 {
		want.Height = source.Height
	}
	across, down = float64(source.Width)/float64(want.Width), float64(source.Height)/float64(want.Height)
	mode := s.Resize.Mode
	if mode == thumbnail.ModeAuto {
		mode = thumbnail.ModeFit
		if (source.Width >= source.Height) == (want.Width >= want.Height) {
			mode = thumbnail.ModeFill
		}
	}
	switch {
	case mode == thumbnail.ModeForce, across == 1 && down == 1:
		return across, down
	case s.Width == 0:
		return down, down
	case s.Height == 0:
		return across, across
	case mode == thumbnail.ModeFit:
		both := math.Max(across, down)
		return both, both
	}
	both := math.Min(across, down)
	return both, both
}

// atLeast lowers a shrink until a side has at least a number of pixels, and the other side's shrink in proportion.
func atLeast(shrink, other float64, side, pixels int) (float64, float64) {
	if pixels == 0 {
		return shrink, other
	}
	if largest := float64(side) / float64(pixels); largest < shrink {
		return largest, other * largest / shrink
	}
	return shrink, other
}

// part returns the rectangle of a part of a picture.
func part(c thumbnail.Part, whole Size) Rect {
	size := Size{portion(c.Width, whole.Width), portion(c.Height, whole.Height)}
	left, top := position(c.Anchor, whole, size, 1)
	return Rect{left, top, size.Width, size.Height}
}

// portion returns a side of a part in pixels, at least 1 and at most the side.
func portion(length float64, side int) int {
	switch {
	case length == 0 || length >= float64(side):
		return side
	case length < 1:
		return grown(side, length)
	}
	return int(length)
}

// inRatio shrinks a box that is larger than a picture to the box's ratio within the picture.
func inRatio(box, picture Size) Size {
	across, down := float64(box.Width)/float64(picture.Width), float64(box.Height)/float64(picture.Height)
	switch {
	case box.Width == 0 || box.Height == 0:
	case across > down && across > 1:
		return Size{picture.Width, grown(picture.Width, float64(box.Height)/float64(box.Width))}
	case down > across && down > 1:
		return Size{grown(picture.Height, float64(box.Width)/float64(box.Height)), picture.Height}
	}
	return box
}

// position returns the place of a part in a whole.
func position(a thumbnail.Anchor, whole, inner Size, density float64) (left, top int) {
	return along(a, a.Across, a.X, whole.Width, inner.Width, density), along(a, a.Down, a.Y, whole.Height, inner.Height, density)
}

// along returns the place of a part of a side: at its start (-1), middle (0) or end (1).
func along(a thumbnail.Anchor, at int, offset float64, whole, inner int, density float64) int {
	var start int
	switch moved := moves(offset, whole, density); {
	case a.Point:
		start = int(math.RoundToEven(float64(whole)*offset)) - inner/2
	case at < 0:
		start = moved
	case at > 0:
		start = whole - inner - moved
	default:
		start = int(math.RoundToEven(float64(whole-inner+1)/2)) + moved
	}
	return max(0, min(start, whole-inner))
}

// moves returns an offset in pixels.
func moves(offset float64, whole int, density float64) int {
	if math.Abs(offset) >= 1 {
		return int(math.RoundToEven(offset * density))
	}
	return int(math.RoundToEven(float64(whole) * offset))
}

// canvas returns the canvas of a picture, and the picture's place on it.
func canvas(r thumbnail.Resize, box, picture Size, density float64) Canvas {
	size := picture
	switch r.Extend {
	case thumbnail.ExtendToSize:
		size = Size{max(box.Width, picture.Width), max(box.Height, picture.Height)}
	case thumbnail.ExtendToRatio:
		size = around(box, picture)
	}
	c := Canvas{Size: size}
	c.Left, c.Top = position(r.ExtendAnchor, size, picture, density)
	pad := func(pixels int) int { return int(math.RoundToEven(float64(pixels) * density)) }
	c.Left, c.Top = c.Left+pad(r.Padding.Left), c.Top+pad(r.Padding.Top)
	c.Size.Width += pad(r.Padding.Left) + pad(r.Padding.Right)
	c.Size.Height += pad(r.Padding.Top) + pad(r.Padding.Bottom)
	return c
}

// around returns the smallest size with the box's ratio that holds the picture.
func around(box, picture Size) Size {
	if box.Width == 0 || box.Height == 0 {
		return picture
	}
	across, down := float64(box.Width)/float64(picture.Width), float64(box.Height)/float64(picture.Height)
	switch {
	case down > across:
		return Size{picture.Width, grown(picture.Width, float64(box.Height)/float64(box.Width))}
	case across > down:
		return Size{grown(picture.Height, float64(box.Width)/float64(box.Height)), picture.Height}
	}
	return picture
}

func orOne(factor float64) float64 {
	if factor == 0 {
		return 1
	}
	return factor
}

// grown returns a side times a factor in whole pixels, at least one.
func grown(side int, factor float64) int { return max(1, grown0(side, factor)) }

func grown0(side int, factor float64) int { return int(math.Round(float64(side) * factor)) }

// smaller returns the smaller length; a length of 0 does not count.
func smaller(asked, length int) int {
	if asked == 0 {
		return length
	}
	return min(asked, length)
}
