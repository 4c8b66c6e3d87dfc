package tools

import (
	"fmt"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/solid"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// A solid has no size of its own; these are the proportions that Wikimedia gives it.
const (
	solidWidth  = 640
	solidHeight = 480
)

// drawSTL draws at the thumbnail's size.
func drawSTL(t *task) error {
	size := geometry.Size{Width: solidWidth, Height: solidHeight}
	if t.Spec.Crop == nil && t.Spec.Trim == nil {
		spec := t.Spec
		spec.Enlarge = true
		size = geometry.New(spec, size).Scaled
	}
	if int64(size.Width)*int64(size.Height) > t.MaxPixels {
		return fault.New(fault.TooLarge, "the original would be drawn as %d × %d pixels; at most %d are", size.Width, size.Height, t.MaxPixels)
	}
	p, err := solid.Draw(t.Original, size.Width, size.Height)
	if err != nil {
		return fault.Wrap(err, fault.Undecodable, "the original could not be decoded")
	}
	if _, err := fmt.Fprintf(t.Out, "P6\n%d %d\n255\n", p.Width, p.Height); err != nil {
		return err
	}
	_, err = t.Out.Write(p.Pixels)
	return err
}
