// Package filter does to a picture's pixels what Thumbor's filters do: the same
// arithmetic on 8 bits a channel, truncation included, so that who comes from
// Thumbor sees the same pictures. It reads no files; libvips decodes before it and
// encodes after it.
//
// Filters that look at one pixel alone are gathered and done in one pass over the
// memory; those that are tables are first merged into one.
package filter

import (
	"fmt"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Picture is red, green, blue and, where Bands is 4, alpha, a byte each, rows
// under each other. Alpha is not premultiplied.
type Picture struct {
	Width, Height, Bands int
	Pix                  []byte
}

// New makes a picture of four bands in one colour.
func New(width, height int, c [4]uint8) *Picture {
	p := &Picture{Width: width, Height: height, Bands: 4, Pix: make([]byte, 4*width*height)}
	for i := 0; i < len(p.Pix); i += 4 {
		copy(p.Pix[i:], c[:])
	}
	return p
}

// Clone copies the picture.
func (p *Picture) Clone() *Picture {
	return &Picture{p.Width, p.Height, p.Bands, append([]byte(nil), p.Pix...)}
}

func (p *Picture) row(y int) []byte {
	stride := p.Width * p.Bands
	return p.Pix[y*stride : (y+1)*stride]
}

// withAlpha gives the picture four bands.
func (p *Picture) withAlpha() {
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

// Area is a rectangle of a picture, right and bottom exclusive.
type Area struct{ Left, Top, Right, Bottom int }

// Env is what filters need beside the picture.
type Env struct {
	BoxWidth, BoxHeight int    // what was asked for; 0 = nothing
	Faces               []Area // in which red eyes are looked for
	MaxPixels           int64  // of a canvas
	Budget              *Budget
	// Resize gives the picture at another size.
	Resize func(p *Picture, width, height int) (*Picture, error)
	// Overlay gives a watermark or frame, decoded.
	Overlay func(at thumbnail.Location) (*Picture, error)
}

// Knows reports whether Apply does the step.
func Knows(s thumbnail.Step) bool {
	_, lone := stages[s]
	_, whole := steps[s]
	return lone || whole
}

// steps look at more than a pixel by itself.
var steps = map[thumbnail.Step]func(*Picture, thumbnail.Operation, Env) error{
	thumbnail.StepEqualize:   equalize,
	thumbnail.StepBlur:       blur,
	thumbnail.StepSharpen:    sharpen,
	thumbnail.StepConvolve:   convolve,
	thumbnail.StepCorners:    roundCorners,
	thumbnail.StepBackground: background,
	thumbnail.StepFill:       fill,
	thumbnail.StepWatermark:  watermark,
	thumbnail.StepFrame:      frame,
	thumbnail.StepRedEye:     redEyes,
}

// Apply does the steps in their order. It refuses (BadURL) what would be too large, or
// take too long: a URL can name 64 filters, and each of them costs its client nothing.
func Apply(p *Picture, operations []thumbnail.Operation, env Env) error {
	var gathered []thumbnail.Operation
	ahead := *env.Budget // what is plainly too much is not begun
	for _, o := range operations {
		if err := ahead.Spend(cost(o, env), p.Width, p.Height); err != nil {
			return err
		}
	}
	for _, o := range operations { // some of which make the picture larger
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
			return fmt.Errorf("no such filter: %s", o.Name)
		}
		if err := do(p, o, env); err != nil {
			return err
		}
	}
	pass(p, gathered)
	return nil
}

// maxSide of a canvas, in pixels: more than any format has.
const maxSide = 100_000

// room refuses a canvas of too many pixels.
func (e Env) room(width, height int) error {
	if width < 1 || height < 1 || width > maxSide || height > maxSide || int64(width)*int64(height) > e.MaxPixels {
		return fault.New(fault.BadURL, "a filter would make a picture of %d × %d pixels; at most %d are served", width, height, e.MaxPixels)
	}
	return nil
}
