package tools

import (
	"fmt"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/solid"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// A solid has no size of its own. Wikimedia draws solids in these proportions.
const (
	solidWidth  = 640
	solidHeight = 480
	// maxSolidPixels bounds the raster: the time to draw grows with triangles times pixels.
	maxSolidPixels = 4_000_000
)

// drawSTL draws at the thumbnail's size, at most maxSolidPixels pixels.
func drawSTL(t *task) error {
	size := geometry.Size{Width: solidWidth, Height: solidHeight}
	if !t.request.Spec.Cuts() && t.request.Spec.Trim == nil {
		spec := t.request.Spec
		spec.Enlarge = true
		size = geometry.New(spec, size).Scaled
	}
	for size.Width*size.Height > maxSolidPixels { // libvips enlarges the raster afterwards
		size.Width, size.Height = max(1, size.Width/2), max(1, size.Height/2)
	}
	p, err := solid.Draw(t.request.Original, size.Width, size.Height)
	if err != nil {
		return fault.Wrap(err, fault.Undecodable, "the original could not be decoded")
	}
	if _, err := fmt.Fprintf(t.request.Out, "P6\n%d %d\n255\n", p.Width, p.Height); err != nil {
		return err
	}
	_, err = t.request.Out.Write(p.Pixels)
	return err
}
