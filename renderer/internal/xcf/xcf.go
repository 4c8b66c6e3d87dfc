// Package xcf reads GIMP's files, and composes their visible layers as GIMP 2.10 does: opacity, masks, groups, every
// layer mode, in linear light or not. Tool workers call it.
//
// The format follows devel-docs/xcf.txt of GIMP, versions 0 to 23; the modes follow app/operations/layer-modes. The
// package reads tiles during composition, one block of the canvas at a time, so that memory follows the canvas and
// not the number of layers.
package xcf

import (
	"image"
	"io"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Bounds of the input. A file may name the same layer, and a layer the same tile, any number of times.
const (
	maxSide       = 1 << 18 // pixels, GIMP's own bound
	maxLayers     = 20_000
	maxProperties = 1_000_000 // in the file
	maxDepth      = 32        // groups within groups
	maxProfile    = 4 << 20   // bytes
	// maxComposed bounds the visible pixels of all layers within the canvas: about a minute of work.
	maxComposed = 600_000_000
)

// Image is a file with a parsed structure.
type Image struct {
	Width, Height int
	// Grey means that all colours are shades of grey.
	Grey bool
	// Profile is the file's ICC profile; nil means sRGB. It describes the pixels of Draw.
	Profile []byte

	format  format
	palette [256][3]float32
	layers  []*layer // the top layer first
}

// layer is a drawable with its place in the stack, or a group of layers.
type layer struct {
	x, y, width, height   int
	alpha, hidden, group  bool
	indexed               bool
	opacity               float32
	mode                  mode
	pixels                *plane
	mask                  *plane // nil without a mask
	maskIgnored, maskOnly bool   // GIMP shows the layer without its mask, or the mask alone
	children              []*layer
	floating              *layer // a floating selection that is attached to this layer
}

// Open reads the structure of a file of size bytes. maxPixels bounds the canvas. Errors are faults: Undecodable,
// TooLarge, Unsupported.
func Open(file io.ReaderAt, size, maxPixels int64) (*Image, error) {
	p := &parser{file: file, size: size, properties: maxProperties}
	m, err := p.image(maxPixels)
	if err != nil && fault.Of(err).Kind == fault.Internal {
		err = fault.Wrap(err, fault.Undecodable, "the original could not be decoded")
	}
	if err != nil {
		return nil, err
	}
	return m, m.bound()
}

// bound returns the fault TooLarge for layers that would take too long.
func (m *Image) bound() error {
	var total int64
	for list := m.layers; len(list) > 0; list = list[1:] {
		l := list[0]
		if l.hidden {
			continue
		}
		total += m.seen(l)
		if l.floating != nil {
			total += m.seen(l.floating)
		}
		list = append(list, l.children...)
	}
	if total > maxComposed {
		return fault.New(fault.TooLarge, "the visible layers of the original have %d pixels, at most %d are allowed", total, int64(maxComposed))
	}
	return nil
}

// seen returns the number of a layer's pixels within the canvas.
func (m *Image) seen(l *layer) int64 {
	canvas := image.Rect(0, 0, m.Width, m.Height)
	if l.group {
		return int64(m.Width) * int64(m.Height)
	}
	shown := canvas.Intersect(l.bounds())
	return int64(shown.Dx()) * int64(shown.Dy())
}

func (l *layer) bounds() image.Rectangle {
	return image.Rect(l.x, l.y, l.x+l.width, l.y+l.height)
}
