// Package filter applies Thumbor's filters to a picture's pixels. It uses the same arithmetic on 8 bits per channel,
// truncation included, so that sites that move from Thumbor keep the same pictures. The package reads no files;
// libvips decodes before it and encodes after it.
//
// Filters that read one pixel at a time run together, in one pass over the memory; neighbouring tables are first
// merged into one.
package filter

import (
	"fmt"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Picture holds rows of pixels, one byte each for red, green, blue and, when Bands is 4, alpha. Alpha is not
// premultiplied.
type Picture struct {
	Width, Height, Bands int
	Pix                  []byte
}

// New returns a picture with four bands and one colour.
func New(width, height int, c [4]uint8) *Picture {
	p := &Picture{Width: width, Height: height, Bands: 4, Pix: make([]byte, 4*width*height)}
	for i := 0; i < len(p.Pix); i += 4 {
		copy(p.Pix[i:], c[:])
	}
	return p
}

// Clone returns a copy.
func (p *Picture) Clone() *Picture {
	return &Picture{p.Width, p.Height, p.Bands, append([]byte(nil), p.Pix...)}
}

func (p *Picture) row(y int) []byte {
	stride := p.Width * p.Bands
	return p.Pix[y*stride : (y+1)*stride]
}

// WithAlpha adds an opaque fourth band to a picture of three.
func (p *Picture) WithAlpha() {
	if p.Bands == 4 {
		return
	}
	out := make([]byte, 4*p.Width*p.Height)
	for from, to := 0, 0; to < len(out); from, to = from+3, to+4 {
		copy(out[to:], p.Pix[from:from+3])
		out[to+3] = 255
	}
	p.Bands, p.Pix = 4, out
}

// Area is a rectangle of a picture; Right and Bottom are exclusive.
type Area struct{ Left, Top, Right, Bottom int }

// Env holds the inputs of filters beside the picture.
type Env struct {
	BoxWidth, BoxHeight int    // the requested size; 0 means that a side was not requested
	Canvas              Area   // of extend, in the picture's pixels; it contains the picture
	Faces               []Area // where redEyes looks for red eyes
	MaxPixels           int64  // the bound of a canvas
	Budget              *Budget
	// Resize returns the picture at another size.
	Resize func(p *Picture, width, height int) (*Picture, error)
	// Text returns a drawn text.
	Text func(o thumbnail.Operation) (*Picture, error)
	// Overlay returns a decoded watermark or frame.
	Overlay func(at thumbnail.Location) (*Picture, error)
}

// Knows reports whether Apply supports the step.
func Knows(s thumbnail.Step) bool {
	_, lone := stages[s]
	_, whole := steps[s]
	return lone || whole
}

// steps are the filters that read several pixels at a time.
var steps = map[thumbnail.Step]func(*Picture, thumbnail.Operation, Env) error{
	thumbnail.StepEqualize:   equalize,
	thumbnail.StepBlur:       blur,
	thumbnail.StepSharpen:    sharpen,
	thumbnail.StepConvolve:   convolve,
	thumbnail.StepCorners:    roundCorners,
	thumbnail.StepBackground: background,
	thumbnail.StepFill:       fill,
	thumbnail.StepExtend:     onCanvas,
	thumbnail.StepWatermark:  watermark,
	thumbnail.StepText:       text,
	thumbnail.StepPixelate:   pixelate,
	thumbnail.StepFrame:      frame,
	thumbnail.StepRedEye:     redEyes,
}

// Apply applies the operations in order. It returns the fault BadURL for pictures that would be too large or take too
// long: a URL can name 64 filters, and costs its client nothing.
func Apply(p *Picture, operations []thumbnail.Operation, env Env) error {
	var gathered []thumbnail.Operation
	ahead := *env.Budget // refuse an obvious excess before the first step
	for _, o := range operations {
		if err := ahead.Spend(cost(o, env), p.Width, p.Height); err != nil {
			return err
		}
	}
	for _, o := range operations { // some operations enlarge the picture, so their cost is counted again
		if err := env.Budget.Spend(cost(o, env), p.Width, p.Height); err != nil {
			return err
		}
		if _, lone := stages[o.Name]; lone {
			gathered = append(gathered, o)
			continue
		}
		pass(p, gathered)
		gathered = nil
		do, ok := steps[o.Name]
		if !ok {
			return fmt.Errorf("%s is not a filter", o.Name)
		}
		if err := do(p, o, env); err != nil {
			return err
		}
	}
	pass(p, gathered)
	return nil
}

// maxSide bounds a side of a canvas, in pixels; no format has more.
const maxSide = 100_000

// room returns the fault BadURL for a canvas of too many pixels.
func (e Env) room(width, height int) error {
	if width < 1 || height < 1 || width > maxSide || height > maxSide || int64(width)*int64(height) > e.MaxPixels {
		return fault.New(fault.BadURL, "a filter makes a picture of %d × %d pixels, at most %d are allowed: use a smaller size", width, height, e.MaxPixels)
	}
	return nil
}
