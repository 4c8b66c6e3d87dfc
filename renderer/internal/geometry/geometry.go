// Package geometry turns what a spec asks for into rectangles and sizes, once
// the original's own size is known. It follows Thumbor's rules, rounding
// included (thumbor/transformer.py), and never touches a pixel.
package geometry

import (
	"math"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Size is width and height in pixels.
type Size struct{ Width, Height int }

// Turned is the size as EXIF's orientation turns it: from 5 on, the sides change places.
func (s Size) Turned(orientation int) Size {
	if orientation >= 5 {
		return Size{s.Height, s.Width}
	}
	return s
}

// Rect is a part of a picture in pixels.
type Rect struct{ Left, Top, Width, Height int }

// Plan is what is done to the upright, trimmed original: cut Crop out of it,
// scale the whole of that to Scaled, cut Cut out of that.
type Plan struct {
	Crop   Rect // of the original; the whole when nothing is cut
	Scaled Size
	Cut    Rect // of the scaled picture; the whole when nothing is cut
}

// New plans a spec for an original of the given upright size.
func New(s thumbnail.Spec, original Size) Plan {
	p := Plan{Crop: crop(s.Crop, original)}
	source := Size{p.Crop.Width, p.Crop.Height}
	target := target(s, source)
	if s.Fit != thumbnail.FitCover {
		p.Scaled = fit(s, source, target)
		p.Cut = whole(p.Scaled)
		return p
	}
	target = shrinkToSource(s, source, target)
	if (s.Width == 0 || s.Height == 0) && !s.OriginalWidth && !s.OriginalHeight { // in proportion, but for rounding
		p.Scaled, p.Cut = target, whole(target)
		return p
	}
	p.Scaled, p.Cut = cover(s, source, target)
	return p
}

// Size is the size of the thumbnail before the operations that follow.
func (p Plan) Size() Size { return Size{p.Cut.Width, p.Cut.Height} }

// CutFirst gives the same plan as a rectangle of the original that is scaled to
// Size, for engines that cannot cut after they scaled.
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

// Plain reports whether a spec asks for nothing but a part of the picture at a size.
func Plain(s thumbnail.Spec) bool {
	return s.Trim == nil && !s.Smart && !s.FlipX && !s.FlipY && s.Sharpen == nil && len(s.Operations) == 0
}

func whole(s Size) Rect { return Rect{Width: s.Width, Height: s.Height} }

// crop clips a manual crop to the picture; an empty one means none.
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

// target is the box that is asked for, missing sides in proportion.
func target(s thumbnail.Spec, source Size) Size {
	width, height := s.Width, s.Height
	if s.OriginalWidth {
		width = source.Width
	}
	if s.OriginalHeight {
		height = source.Height
	}
	switch {
	case width == 0 && height == 0:
		return source
	case width == 0:
		width = proportion(source.Width, height, source.Height)
	case height == 0:
		height = proportion(source.Height, width, source.Width)
	}
	return Size{width, height}
}

// proportion is side × numerator / denominator, at least one pixel. Halves are
// rounded down, as Wikimedia does.
func proportion(side, numerator, denominator int) int {
	return max(1, int(math.Ceil(float64(side)*float64(numerator)/float64(denominator)-0.5)))
}

// fit scales the whole picture into the box, or over it (FitFull).
func fit(s thumbnail.Spec, source, box Size) Size {
	if s.Adaptive && (source.Width-source.Height)*(box.Width-box.Height) < 0 {
		box.Width, box.Height = box.Height, box.Width
	}
	smaller := source.Width > box.Width || source.Height > box.Height
	if s.Fit == thumbnail.FitIn && !smaller && !s.Enlarge {
		return source
	}
	byWidth := source.Width*box.Height >= source.Height*box.Width
	if s.Fit == thumbnail.FitFull {
		byWidth = source.Width*box.Height <= source.Height*box.Width
	}
	if byWidth {
		return Size{box.Width, proportion(source.Height, box.Width, source.Width)}
	}
	return Size{proportion(source.Width, box.Height, source.Height), box.Height}
}

// shrinkToSource makes a box smaller that would enlarge a bitmap unasked.
func shrinkToSource(s thumbnail.Spec, source, box Size) Size {
	if s.Enlarge || (box.Width <= source.Width && box.Height <= source.Height) {
		return box
	}
	if box.Width*source.Height >= box.Height*source.Width {
		return Size{source.Width, min(source.Height, proportion(box.Height, source.Width, box.Width))}
	}
	return Size{min(source.Width, proportion(box.Width, source.Height, box.Height)), source.Height}
}

// cover scales the picture until it covers the box and cuts what overlaps.
// Thumbor cuts first, in the original's pixels, and scales the cut to the box;
// here the whole is scaled by the same factors, so that decoders can shrink
// while they load. Ratios that agree to two digits are not cut but stretched.
func cover(s thumbnail.Spec, source, box Size) (Size, Rect) {
	ratio := func(s Size) float64 { return math.Round(float64(s.Width)/float64(s.Height)*100) / 100 }
	if ratio(source) == ratio(box) {
		return box, whole(box)
	}
	cut := whole(source)
	if box.Width*source.Height > box.Height*source.Width {
		cut.Height = min(source.Height, proportion(source.Width, box.Height, box.Width))
		cut.Top = place(s.VAlign == "top", s.VAlign == "bottom", source.Height, cut.Height)
	} else {
		cut.Width = min(source.Width, int(math.Ceil(float64(box.Width)*float64(source.Height)/float64(box.Height))))
		cut.Left = place(s.HAlign == "left", s.HAlign == "right", source.Width, cut.Width)
	}
	scaled := Size{
		max(box.Width, proportion(source.Width, box.Width, cut.Width)),
		max(box.Height, proportion(source.Height, box.Height, cut.Height)),
	}
	return scaled, Rect{
		Left:  min(proportion0(cut.Left, box.Width, cut.Width), scaled.Width-box.Width),
		Top:   min(proportion0(cut.Top, box.Height, cut.Height), scaled.Height-box.Height),
		Width: box.Width, Height: box.Height,
	}
}

func proportion0(offset, numerator, denominator int) int {
	return int(math.RoundToEven(float64(offset) * float64(numerator) / float64(denominator)))
}

// place puts a part of the given length at the start, the end or the middle.
func place(start, end bool, length, part int) int {
	switch {
	case start:
		return 0
	case end:
		return length - part
	}
	return int(math.RoundToEven(float64(length-part) / 2))
}

// SharpenApplies tells whether a conditional sharpen is due: the picture became
// smaller than the ratio.
func SharpenApplies(s *thumbnail.Sharpen, original, thumb Size) bool {
	if s == nil {
		return false
	}
	return float64(thumb.Width+thumb.Height)/float64(original.Width+original.Height) < s.Ratio
}
