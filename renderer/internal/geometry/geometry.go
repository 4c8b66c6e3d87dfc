// Package geometry computes the rectangles and sizes of a thumbnail from its spec and the original's size. It follows
// Thumbor's rules, rounding included (thumbor/transformer.py). It never touches a pixel.
package geometry

import (
	"math"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Size is a width and a height in pixels.
type Size struct{ Width, Height int }

// Turned returns the size after EXIF's orientation: orientations from 5 on swap the sides.
func (s Size) Turned(orientation int) Size {
	if orientation >= 5 {
		return Size{s.Height, s.Width}
	}
	return s
}

// Rect is a rectangle of a picture, in pixels.
type Rect struct{ Left, Top, Width, Height int }

// Plan describes three steps on the upright, trimmed original: cut Crop out of the original, scale the crop to
// Scaled, then cut Cut out of the scaled picture.
type Plan struct {
	Crop   Rect // in the original; all of the original without a crop
	Scaled Size
	Cut    Rect // in the scaled picture; all of the scaled picture without a cut
	// Box is the requested size, for later steps; 0 means that a side was not requested.
	Box Size
	// Canvas is the canvas of the step extend; zero without Resize.
	Canvas Canvas
	// Focus is the middle of a cut, in pixels of Crop.
	Focus Point
}

// Canvas is the size of a canvas, and the place of the picture on it.
type Canvas struct {
	Size      Size
	Left, Top int
}

// Point is a pixel.
type Point struct{ X, Y int }

// New returns the plan of a spec for an original with the given upright size.
func New(s thumbnail.Spec, original Size) Plan {
	if s.Resize != nil {
		return resize(s, original)
	}
	p := Plan{Crop: crop(s.Crop, original)}
	source := Size{p.Crop.Width, p.Crop.Height}
	p.Box = box(s, source, original)
	p.Focus = focus(s, p.Crop)
	p.Scaled = target(s, p.Box, source)
	switch {
	case s.Debug:
		p.Scaled = source
	case s.Fit != thumbnail.FitCover:
		p.fit(s, source)
	case s.Stretch:
	default:
		p.Scaled = shrinkToSource(s, source, p.Scaled)
		if p.Box.Width > 0 && p.Box.Height > 0 { // other boxes are in proportion, except for rounding
			p.cover(source)
			return p
		}
	}
	p.Cut = whole(p.Scaled)
	return p
}

// Size returns the size of the thumbnail before its operations.
func (p Plan) Size() Size { return Size{p.Cut.Width, p.Cut.Height} }

// CutFirst returns the same plan as a rectangle of the original to scale to Size, for engines that cannot cut after
// scaling.
func (p Plan) CutFirst() Rect {
	scaledX := func(n int) int { return proportion0(n, p.Crop.Width, p.Scaled.Width) }
	scaledY := func(n int) int { return proportion0(n, p.Crop.Height, p.Scaled.Height) }
	r := Rect{
		Left: p.Crop.Left + scaledX(p.Cut.Left), Top: p.Crop.Top + scaledY(p.Cut.Top),
		Width: max(1, scaledX(p.Cut.Width)), Height: max(1, scaledY(p.Cut.Height)),
	}
	r.Width = min(r.Width, p.Crop.Left+p.Crop.Width-r.Left)
	r.Height = min(r.Height, p.Crop.Top+p.Crop.Height-r.Top)
	return r
}

// Plain reports whether a spec only cuts and scales.
func Plain(s thumbnail.Spec) bool {
	return s.Trim == nil && !s.Smart && !s.FlipX && !s.FlipY && !s.Debug && !s.Described() && s.Sharpen == nil && len(s.Operations) == 0
}

func whole(s Size) Rect { return Rect{Width: s.Width, Height: s.Height} }

// crop clips a manual crop to the picture. An empty crop means the whole picture.
func crop(r *thumbnail.Rect, s Size) Rect {
	if r == nil {
		return whole(s)
	}
	left, top := min(max(r.Left, 0), s.Width), min(max(r.Top, 0), s.Height)
	right, bottom := min(r.Right, s.Width), min(r.Bottom, s.Height)
	if right <= left || bottom <= top {
		return whole(s)
	}
	return Rect{left, top, right - left, bottom - top}
}

// box returns the requested size; 0 means that a side was not requested.
func box(s thumbnail.Spec, source, original Size) Size {
	b := Size{s.Width, s.Height}
	if s.NoUpscale {
		b = Size{min(b.Width, original.Width), min(b.Height, original.Height)}
	}
	if s.OriginalWidth {
		b.Width = source.Width
	}
	if s.OriginalHeight {
		b.Height = source.Height
	}
	return b
}

// target returns the box, with missing sides in proportion.
func target(s thumbnail.Spec, b, source Size) Size {
	round := halfUp // as MediaWiki's HTML has it
	if s.HalfToEven {
		round = math.RoundToEven
	}
	switch {
	case b.Width == 0 && b.Height == 0:
		return source
	case b.Width == 0:
		b.Width = proportion(source.Width, b.Height, source.Height, round)
	case b.Height == 0:
		b.Height = proportion(source.Height, b.Width, source.Width, round)
	}
	return b
}

// proportion returns side × numerator / denominator, at least one pixel.
func proportion(side, numerator, denominator int, round func(float64) float64) int {
	return max(1, int(round(float64(side)*float64(numerator)/float64(denominator))))
}

// halfDown is the rounding of Wikimedia's engines, for pictures with more than a width in the spec.
func halfDown(v float64) float64 { return math.Ceil(v - 0.5) }

// halfUp is MediaWiki's rounding, and Thumbor's for a picture that is fitted in.
func halfUp(v float64) float64 { return math.Round(v) }

// focus returns the middle of the focal points inside the crop, weighted by their areas. Without such points it
// returns the point of the alignment. It rounds down, as Thumbor does.
func focus(s thumbnail.Spec, crop Rect) Point {
	var weight, x, y float64
	for _, f := range s.Focal {
		area := float64(f.Right-f.Left) * float64(f.Bottom-f.Top)
		at := Point{f.Left + (f.Right-f.Left)/2, f.Top + (f.Bottom-f.Top)/2}
		if s.Crop != nil {
			if at.X < crop.Left || at.X > crop.Left+crop.Width || at.Y < crop.Top || at.Y > crop.Top+crop.Height {
				continue
			}
			at = Point{at.X - crop.Left, at.Y - crop.Top}
		}
		weight, x, y = weight+area, x+float64(at.X)*area, y+float64(at.Y)*area
	}
	if weight > 0 {
		return Point{int(x / weight), int(y / weight)}
	}
	return Point{
		aligned(s.HAlign == "left", s.HAlign == "right", crop.Width),
		aligned(s.VAlign == "top", s.VAlign == "bottom", crop.Height),
	}
}

func aligned(start, end bool, length int) int {
	switch {
	case start:
		return 0
	case end:
		return length
	}
	return length / 2
}

// fit scales the whole picture into the box, or over the box (FitFull). The box grows to the scaled size.
func (p *Plan) fit(s thumbnail.Spec, source Size) {
	to := p.Scaled
	if s.Adaptive && (source.Width-source.Height)*(to.Width-to.Height) < 0 {
		to.Width, to.Height = to.Height, to.Width
		p.Box.Width, p.Box.Height = p.Box.Height, p.Box.Width
	}
	smaller := source.Width > to.Width || source.Height > to.Height
	if s.Fit == thumbnail.FitIn && !smaller && !s.Enlarge {
		p.Scaled = source
		return
	}
	byWidth := source.Width*to.Height >= source.Height*to.Width
	if s.Fit == thumbnail.FitFull {
		byWidth = source.Width*to.Height <= source.Height*to.Width
	}
	if byWidth {
		p.Scaled = Size{to.Width, proportion(source.Height, to.Width, source.Width, halfUp)}
	} else {
		p.Scaled = Size{proportion(source.Width, to.Height, source.Height, halfUp), to.Height}
	}
	p.Box = Size{max(p.Box.Width, p.Scaled.Width), max(p.Box.Height, p.Scaled.Height)}
}

// shrinkToSource shrinks a box that would enlarge a bitmap without Enlarge.
func shrinkToSource(s thumbnail.Spec, source, box Size) Size {
	if s.Enlarge || (box.Width <= source.Width && box.Height <= source.Height) {
		return box
	}
	if box.Width*source.Height >= box.Height*source.Width {
		return Size{source.Width, min(source.Height, proportion(box.Height, source.Width, box.Width, halfDown))}
	}
	return Size{min(source.Width, proportion(box.Width, source.Height, box.Height, halfDown)), source.Height}
}

// cover scales the picture until it covers the box, and cuts the overlap. Thumbor cuts first, in the original's
// pixels, and scales the cut to the box. cover scales the whole by the same factors, so that decoders can shrink
// while they load. It stretches, and does not cut, when both ratios agree to two digits.
func (p *Plan) cover(source Size) {
	box := p.Scaled
	ratio := func(s Size) float64 { return math.Round(float64(s.Width)/float64(s.Height)*100) / 100 }
	if ratio(source) == ratio(box) {
		p.Cut = whole(box)
		return
	}
	cut := whole(source)
	if box.Width*source.Height > box.Height*source.Width {
		cut.Height = min(source.Height, proportion(source.Width, box.Height, box.Width, math.RoundToEven))
		cut.Top = place(p.Focus.Y, source.Height, cut.Height)
	} else {
		cut.Width = min(source.Width, int(math.Ceil(float64(box.Width)*float64(source.Height)/float64(box.Height))))
		cut.Left = place(p.Focus.X, source.Width, cut.Width)
	}
	p.Scaled = Size{
		max(box.Width, proportion(source.Width, box.Width, cut.Width, halfDown)),
		max(box.Height, proportion(source.Height, box.Height, cut.Height, halfDown)),
	}
	p.Cut = Rect{
		Left:  min(proportion0(cut.Left, box.Width, cut.Width), p.Scaled.Width-box.Width),
		Top:   min(proportion0(cut.Top, box.Height, cut.Height), p.Scaled.Height-box.Height),
		Width: box.Width, Height: box.Height,
	}
}

func proportion0(offset, numerator, denominator int) int {
	return int(math.RoundToEven(float64(offset) * float64(numerator) / float64(denominator)))
}

// place returns the start of a part around a middle, moved to lie within the length.
func place(middle, length, part int) int {
	at := max(float64(middle)-float64(part)/2, 0)
	return int(math.RoundToEven(min(at, float64(length-part))))
}

// SharpenApplies reports whether a conditional sharpen applies: the picture shrank below the ratio.
func SharpenApplies(s *thumbnail.Sharpen, original, thumb Size) bool {
	if s == nil {
		return false
	}
	return float64(thumb.Width+thumb.Height)/float64(original.Width+original.Height) < s.Ratio
}

// mostEnlarged is the most pixels, over all frames, of an enlarged animation. gifsicle takes 0.15 to 0.5 seconds for each
// megapixel, and neither the URL nor the original's bytes tell the number of frames.
const mostEnlarged = 10_000_000

// Moves reports whether a thumbnail keeps the frames of its animated original. All frames together must be within
// Spec.MaxAnimatedArea, of an original with the given area over all frames and of the thumbnail. The frames of a
// thumbnail with more pixels than its part of the original must be within mostEnlarged too.
func (p Plan) Moves(s thumbnail.Spec, area int64, frames int) bool {
	drawn := max(int64(p.Cut.Width)*int64(p.Cut.Height), int64(p.Scaled.Width)*int64(p.Scaled.Height)) * int64(frames)
	enlarged := p.Scaled.Width*p.Scaled.Height > p.Crop.Width*p.Crop.Height
	return max(area, drawn) <= s.MaxAnimatedArea && !(enlarged && drawn > mostEnlarged)
}
