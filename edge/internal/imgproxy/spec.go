package imgproxy

import (
	"math"
	"strconv"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// spec returns the spec of the options for an original.
func (p *Parser) spec(a *asked, original thumbnail.Location) (thumbnail.Spec, error) {
	s := target.Base(p.settings.Render)
	s.Original, s.Type = original, thumbnail.TypeOf(original.Name())
	s.PNGToJPEG = p.settings.Thumbor.PNGToJPEG
	s.Trim, s.Format, s.MaxBytes, s.StripICC, s.Page = a.trim, a.format, a.maxBytes, a.stripICC, a.page
	s.Enlarge = a.enlarge || s.Type == thumbnail.TypeSVG // a drawing has no size of its own
	if a.asStored != nil {
		s.AsStored = *a.asStored
	}
	if a.keepEXIF != nil {
		s.KeepEXIF = *a.keepEXIF
	}
	s.StripEXIF = a.dropCopyright && !s.KeepEXIF
	if a.still {
		s.MaxAnimatedArea = 0
	}
	a.qualityOf(&s)
	a.sizeOf(&s)
	a.filters(&s)
	return s, p.watermark(a, &s)
}

func (a *asked) qualityOf(s *thumbnail.Spec) {
	for f, n := range a.qualities {
		if s.Qualities == nil {
			s.Qualities = thumbnail.Qualities{}
		}
		s.Qualities[f] = n
	}
	if a.quality > 0 {
		s.Quality, s.Qualities = a.quality, nil
	}
}

// sizeOf sets the size. A picture that is only fitted into a box has the spec that Thumbor's fit-in gives.
func (a *asked) sizeOf(s *thumbnail.Spec) {
	r := a.resize
	if r.Mode == "" {
		r.Mode = thumbnail.ModeFit
	}
	if r.Density == 1 {
		r.Density = 0
	}
	if a.cropped && !a.cropAnchored {
		r.Crop.Anchor = r.Anchor
	}
	s.Width, s.Height, s.Smart = a.width, a.height, a.smart
	r = a.stored(r)
	if a.rotate%180 != 0 {
		s.Width, s.Height = s.Height, s.Width
	}
	simple := thumbnail.Resize{Mode: thumbnail.ModeFit, Anchor: r.Anchor}
	if r != simple {
		s.Resize = &r
		return
	}
	s.Smart = false
	if (s.Width > 0) == (s.Height > 0) { // else the picture is scaled by one side, which Thumbor's fit-in could round away
		s.Fit, s.HalfToEven = thumbnail.FitIn, true // nothing is rounded in halves
	}
}

// stored returns the rules for the picture before it is turned and mirrored, which is the last step.
func (a *asked) stored(r thumbnail.Resize) thumbnail.Resize {
	for _, anchor := range []*thumbnail.Anchor{&r.Anchor, &r.ExtendAnchor, &r.Crop.Anchor} {
		*anchor = a.turnedBack(*anchor)
	}
	if r.Extend == thumbnail.ExtendNot {
		r.ExtendAnchor = thumbnail.Anchor{}
	}
	pad := r.Padding
	if a.flipX {
		pad.Left, pad.Right = pad.Right, pad.Left
	}
	if a.flipY {
		pad.Top, pad.Bottom = pad.Bottom, pad.Top
	}
	for range a.rotate / 90 {
		pad = thumbnail.Padding{Top: pad.Right, Right: pad.Bottom, Bottom: pad.Left, Left: pad.Top}
		r.Crop.Width, r.Crop.Height = r.Crop.Height, r.Crop.Width
		r.ZoomX, r.ZoomY = r.ZoomY, r.ZoomX
		r.MinWidth, r.MinHeight = r.MinHeight, r.MinWidth
	}
	r.Padding = pad
	return r
}

// turnedBack returns the place before the turn and the mirroring for a place after them.
func (a *asked) turnedBack(at thumbnail.Anchor) thumbnail.Anchor {
	opposite := func(v float64) float64 {
		if at.Point {
			return 1 - v
		}
		return 0 - v // no -0
	}
	mirrored := func(side int, offset float64) (int, float64) {
		if side != 0 {
			return -side, offset
		}
		return 0, opposite(offset)
	}
	if a.flipX {
		at.Across, at.X = mirrored(at.Across, at.X)
	}
	if a.flipY {
		at.Down, at.Y = mirrored(at.Down, at.Y)
	}
	for range a.rotate / 90 { // clockwise: the top side goes to the right
		down, y := mirrored(at.Across, at.X)
		at.Across, at.X, at.Down, at.Y = at.Down, at.Y, down, y
	}
	return at
}

// amplitude is the smallest value of libvips' kernel of a blur (min_ampl of vips_gaussblur).
const amplitude = 0.2

// filters adds the steps after the resize, in imgproxy's order. Turns and mirrors come after the canvas, which is turned too.
func (a *asked) filters(s *thumbnail.Spec) {
	add := func(o thumbnail.Operation) { s.Operations = append(s.Operations, o) }
	if a.blur > 0 {
		radius := max(1, math.Ceil(a.blur*math.Sqrt(-2*math.Log(amplitude)))-1)
		add(thumbnail.Operation{Name: thumbnail.StepBlur, Args: []float64{min(radius, maxRadius), a.blur}})
	}
	if a.sharpen > 0 {
		add(thumbnail.Operation{Name: thumbnail.StepSharpen, Args: []float64{1, min(a.sharpen, maxRadius)}, On: true})
	}
	if a.pixelate > 1 {
		add(thumbnail.Operation{Name: thumbnail.StepPixelate, Args: []float64{float64(a.pixelate)}})
	}
	if s.Resize != nil && (s.Resize.Extend != thumbnail.ExtendNot || s.Resize.Padding != thumbnail.Padding{}) {
		add(thumbnail.Operation{Name: thumbnail.StepExtend, Color: transparent})
	}
	if a.background != "" {
		add(thumbnail.Operation{Name: thumbnail.StepBackground, Color: a.background})
	}
	if a.rotate != 0 {
		add(thumbnail.Operation{Name: thumbnail.StepRotate, Args: []float64{float64(a.rotate)}})
	}
	if a.flipX {
		add(thumbnail.Operation{Name: thumbnail.StepFlip, Word: "y"})
	}
	if a.flipY {
		add(thumbnail.Operation{Name: thumbnail.StepFlip, Word: "x"})
	}
}

const (
	transparent = "00000000"
	maxRadius   = 150 // of a filter in pixels, as in Thumbor's language
)

// watermark adds the site's watermark.
func (p *Parser) watermark(a *asked, s *thumbnail.Spec) error {
	w, name := a.watermark, p.settings.Imgproxy.Watermark
	switch {
	case w == nil:
		return nil
	case name == "":
		return refused("the option wm cannot be rendered here: this site has no watermark")
	}
	at := p.store.Original(name)
	o := thumbnail.Operation{Name: thumbnail.StepWatermark, Picture: &at, Word: "repeat", Word2: "repeat"}
	if !w.repeat {
		var ok, ok2 bool
		density := max(a.resize.Density, 1)
		o.Word, ok = place(w.anchor.Across, w.anchor.X, density)
		o.Word2, ok2 = place(w.anchor.Down, w.anchor.Y, density)
		if !ok || !ok2 {
			return refused("the option wm cannot be rendered here: a watermark in the middle has no offset")
		}
	}
	percent := math.Round(w.scale * 100)
	o.Args = []float64{math.Round((1 - w.opacity) * 100), percent, percent}
	s.Operations = append(s.Operations, o)
	return nil
}

// place returns a watermark's place on one axis in Thumbor's words; ok is false for an offset from the middle.
func place(side int, offset, density float64) (word string, ok bool) {
	unit := ""
	if math.Abs(offset) < 1 {
		offset, unit, density = offset*100, "p", 1
	}
	n := int(math.Round(offset * density))
	if n == 0 {
		unit = ""
	}
	switch {
	case side == 0:
		return "center", n == 0
	case n < 0: // outside of the picture
		return "", false
	case side > 0:
		return "-" + strconv.Itoa(n) + unit, true
	}
	return strconv.Itoa(n) + unit, true
}
