// Package lettering draws texts with Pango, in the process that calls it: a worker of tools, which sees the fonts.
package lettering

// #cgo pkg-config: pangocairo
// #include <stdlib.h>
// #include <string.h>
// #include "lettering.h"
import "C"

import (
	"errors"
	"io"
	"unsafe"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
)

// Text is a text with its looks.
type Text struct {
	Text   string  // UTF-8; a line ends at "\n"
	Font   string  // in Pango's words without a size, such as "DejaVu Serif Bold"; an unknown font becomes a similar one
	Size   float64 // of the font in pixels
	Colour [4]uint8
}

// Errors of Write.
var (
	ErrTooLarge = errors.New("the text has too many pixels")
	ErrNotDrawn = errors.New("pango does not draw the text")
)

// Write draws the text and writes the picture as a PAM of RGB and alpha (netpbm's pam(5)), whose colours are not multiplied by
// alpha. Beside out's errors, it returns ErrTooLarge for more than most pixels, and ErrNotDrawn, with nothing written.
func (t Text) Write(out io.Writer, most int64) error {
	text, font := C.CString(t.Text), C.CString(t.Font)
	defer C.free(unsafe.Pointer(text))
	defer C.free(unsafe.Pointer(font))
	share := func(i int) C.double { return C.double(t.Colour[i]) / 255 }
	c := C.TmText{
		text: text, length: C.strlen(text), font: font, size: C.double(t.Size), most: C.longlong(most),
		red: share(0), green: share(1), blue: share(2), alpha: share(3),
	}
	switch C.tm_text(&c) {
	case C.TM_TEXT_DRAWN:
	case C.TM_TEXT_TOO_LARGE:
		return ErrTooLarge
	default:
		return ErrNotDrawn
	}
	defer C.free(unsafe.Pointer(c.pixels))
	if _, err := io.WriteString(out, guard.RasterHeader(int(c.width), int(c.height), 4)); err != nil {
		return err
	}
	_, err := out.Write(unsafe.Slice((*byte)(c.pixels), int(c.width)*int(c.height)*4))
	return err
}
