package thumbnail

import (
	"fmt"
	"math"
)

// Resize has the rules of imgproxy's URLs for the size of a picture. They take the place of Crop, Fit, Enlarge's part in
// a box, Stretch, NoUpscale, the alignment and the focal points. Width and Height are the requested size.
type Resize struct {
	Mode Mode `json:"mode"`
	// Crop cuts this part out of the upright original before the resize.
	Crop Part `json:"crop,omitzero"`
	// MinWidth and MinHeight are the least sides of the scaled picture in pixels; 0 = none.
	MinWidth  int `json:"min_width,omitempty"`
	MinHeight int `json:"min_height,omitempty"`
	// ZoomX and ZoomY multiply the size; 0 = 1.
	ZoomX float64 `json:"zoom_x,omitempty"`
	ZoomY float64 `json:"zoom_y,omitempty"`
	// Density multiplies the size, offsets and padding, as far as that enlarges nothing; 0 = 1.
	Density float64 `json:"density,omitempty"`
	// Anchor is the place of the cut after the resize.
	Anchor Anchor `json:"anchor,omitzero"`
	// Extend enlarges the canvas to the requested size or ratio. ExtendAnchor is the picture's place on it.
	Extend       Extend `json:"extend,omitempty"`
	ExtendAnchor Anchor `json:"extend_anchor,omitzero"`
	// Padding enlarges the canvas on each side.
	Padding Padding `json:"padding,omitzero"`
}

// Mode is the way to bring a picture to a size.
type Mode string

// The modes, in imgproxy's words.
const (
	ModeFit      Mode = "fit"       // all of the picture, within the size
	ModeFill     Mode = "fill"      // covers the size, the rest is cut off; a small picture stays small
	ModeFillDown Mode = "fill-down" // as fill, but a small picture is cut to the ratio of the size
	ModeForce    Mode = "force"     // both sides by themselves
	ModeAuto     Mode = "auto"      // fill if picture and size are both wide or both tall, else fit
)

// Extend says how far a canvas grows.
type Extend string

// The ways to extend.
const (
	ExtendNot     Extend = ""
	ExtendToSize  Extend = "size"
	ExtendToRatio Extend = "ratio"
)

// Part is a part of a picture. A side is in pixels from 1 on, a share of the picture's side below 1, or 0 for all of it.
type Part struct {
	Width  float64 `json:"width,omitempty"`
	Height float64 `json:"height,omitempty"`
	Anchor Anchor  `json:"anchor,omitzero"`
}

// Anchor is the place of a part in a whole. X and Y move it: in pixels from ±1 on, else in shares of the whole's side. At
// an edge they move it inwards, in the middle to the right and down.
type Anchor struct {
	Across int     `json:"across,omitempty"` // -1 = left, 0 = middle, 1 = right
	Down   int     `json:"down,omitempty"`   // -1 = top, 0 = middle, 1 = bottom
	X      float64 `json:"x,omitempty"`
	Y      float64 `json:"y,omitempty"`
	// Point says that X and Y, from 0 to 1, are the point of the whole that becomes the middle of the part.
	Point bool `json:"point,omitempty"`
}

// maxOffset bounds the offset of an anchor in pixels.
const maxOffset = 1_000_000

func (a Anchor) valid() bool {
	share := !a.Point || a.X >= 0 && a.X <= 1 && a.Y >= 0 && a.Y <= 1
	return math.Abs(a.X) <= maxOffset && math.Abs(a.Y) <= maxOffset && share && max(a.Across, a.Down) <= 1 && min(a.Across, a.Down) >= -1
}

// Padding has the pixels that each side of a canvas grows by.
type Padding struct {
	Top    int `json:"top,omitempty"`
	Right  int `json:"right,omitempty"`
	Bottom int `json:"bottom,omitempty"`
	Left   int `json:"left,omitempty"`
}

// Cuts reports whether the spec cuts a part out of the original before the resize.
func (s Spec) Cuts() bool { return s.Crop != nil || s.Resize != nil && s.Resize.Crop != Part{} }

// Largest returns the largest size that the spec can ask for in pixels: with zooms, density and padding. A side of 0
// follows from the other side or from the original.
func (s Spec) Largest() (width, height int) {
	if s.Resize == nil {
		return s.Width, s.Height
	}
	r := s.Resize
	grown := func(side, least int, zoom float64, padding int) int {
		return int(math.Ceil((max(float64(side)*orOne(zoom), float64(least)) + float64(padding)) * orOne(r.Density)))
	}
	return grown(s.Width, r.MinWidth, r.ZoomX, r.Padding.Left+r.Padding.Right), grown(s.Height, r.MinHeight, r.ZoomY, r.Padding.Top+r.Padding.Bottom)
}

func orOne(factor float64) float64 {
	if factor == 0 {
		return 1
	}
	return factor
}

// maxFactor bounds zooms and densities; a spec beyond it would ask for a size beyond every limit.
const maxFactor = 100

func (r *Resize) validate() error {
	if r == nil {
		return nil
	}
	ok := r.Anchor.valid() && r.ExtendAnchor.valid() && r.Crop.Anchor.valid() && r.MinWidth >= 0 && r.MinHeight >= 0 && r.Crop.Width >= 0 && r.Crop.Height >= 0
	for _, v := range []float64{r.ZoomX, r.ZoomY, r.Density} {
		ok = ok && v >= 0 && v <= maxFactor
	}
	for _, pixels := range []int{r.Padding.Top, r.Padding.Right, r.Padding.Bottom, r.Padding.Left, r.MinWidth, r.MinHeight} {
		ok = ok && pixels >= 0 && pixels <= 65_535
	}
	switch r.Mode {
	case ModeFit, ModeFill, ModeFillDown, ModeForce, ModeAuto:
	default:
		return fmt.Errorf("the resize has the mode %q: write fit, fill, fill-down, force or auto", r.Mode)
	}
	if !ok {
		return fmt.Errorf("the resize has a side, a zoom, a density or a padding out of bounds: write 0 or more, zooms and densities up to %d, and pixels up to 65535", maxFactor)
	}
	if r.Extend != ExtendNot && r.Extend != ExtendToSize && r.Extend != ExtendToRatio {
		return fmt.Errorf("the resize has extend %q: write size, ratio or nothing", r.Extend)
	}
	return nil
}
