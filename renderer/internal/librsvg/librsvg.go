// Package librsvg draws SVGs with the library, to the pixel as rsvg-convert does, in the
// process that calls it: a worker of tools. The program takes fifty times as long for a
// small drawing, to be loaded and to read the list of fonts.
package librsvg

// #cgo pkg-config: librsvg-2.0 fontconfig
// #cgo LDFLAGS: -lm -ldl
// #include <stdlib.h>
// #include "fonts.h"
// #include "librsvg.h"
import "C"

import (
	"errors"
	"io"
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
)

// Drawing is a drawing, and the size at which it is drawn.
type Drawing struct {
	Text      []byte
	Unlimited bool // the parser's own limits are off
	// Width and Height are in pixels. If one is 0, the drawing keeps its proportions; if both are 0,
	// it has its own size.
	Width, Height int
	MaxPixels     int64 // more are refused
}

// Errors of Write. They have no reason; rsvg-convert gives one.
var (
	ErrNotDrawn = errors.New("librsvg does not draw it")
	// ErrAborted says that the library ended in the middle of its work. Its memory is lost, and
	// the process should end soon.
	ErrAborted = errors.New("librsvg gave up")
)

// KnowsBaselines reports whether the library of this process knows dominant-baseline: from 2.60 on.
func KnowsBaselines() bool { return C.tm_svg_version() >= 2060 }

// ordersAgain returns how often the order of this machine's fonts was known from a text of another size, or -1 where
// several fonts have fixed sizes, so that the order depends on the size.
func ordersAgain() int { return int(C.tm_fonts_again()) }

// forgetOrders forgets the orders of fonts, for measurements.
func forgetOrders() { C.tm_fonts_forget() }

// Write draws and writes the picture as a PAM of RGB and alpha (netpbm's pam(5)), which is not
// multiplied by it. Beside out's, errors are ErrNotDrawn and ErrAborted, with nothing written.
func (d Drawing) Write(out io.Writer) error {
	if len(d.Text) == 0 {
		return ErrNotDrawn
	}
	text := C.CBytes(d.Text)
	defer C.free(text)
	s := C.TmSvg{
		text: (*C.char)(text), length: C.size_t(len(d.Text)), width: C.int(d.Width), height: C.int(d.Height), most: C.longlong(d.MaxPixels),
	}
	if d.Unlimited {
		s.unlimited = 1
	}
	var aborted C.int
	result := C.tm_svg(&s, &aborted)
	if aborted != 0 {
		return ErrAborted
	}
	if result != C.TM_SVG_DRAWN {
		return ErrNotDrawn
	}
	defer C.tm_svg_free(&s)
	if _, err := io.WriteString(out, guard.RasterHeader(int(s.drawn_width), int(s.drawn_height), 4)); err != nil {
		return err
	}
	_, err := out.Write(unsafe.Slice((*byte)(s.pixels), int(s.drawn_width)*int(s.drawn_height)*4))
	return err
}
