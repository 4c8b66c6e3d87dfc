package guard

import (
	"bytes"
	"fmt"
	"io"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// TypeRaster is the type of a file that a tool draws for libvips: bare pixels behind a netpbm
// header (P5 grey, P6 colours, 8 bits). No original has this type.
const TypeRaster thumbnail.Type = "raster"

// Drawn reads the header of a file that a tool drew: a raster, a PNG or a GIF. A tool reads
// hostile bytes, so Drawn trusts nothing in the file. Errors are faults: Undecodable, TooLarge.
func Drawn(file io.ReaderAt, size int64, maxPixels int64) (Header, error) {
	r := io.NewSectionReader(file, 0, size)
	h, ok := readRaster(r)
	if !ok {
		var err error
		if h, err = readHeader(r, thumbnail.TypePNG); err != nil || h.Type != thumbnail.TypePNG && h.Type != thumbnail.TypeGIF {
			return h, fault.Wrap(err, fault.Undecodable, "cannot decode the original: the tool drew no picture from it")
		}
	}
	if int64(h.Width)*int64(h.Height) > maxPixels {
		return h, fault.New(fault.TooLarge, "the tool draws the original as %d × %d pixels; at most %d pixels are allowed", h.Width, h.Height, maxPixels)
	}
	return h, nil
}

// readRaster reads the header of a raster, and reports whether the file has all pixels that the
// header promises.
func readRaster(r *io.SectionReader) (Header, bool) {
	var kind, depth int
	h := Header{Type: TypeRaster, Pages: 1, Frames: 1, Orientation: 1}
	in := bytes.NewReader(head(r, 64))
	if _, err := fmt.Fscanf(in, "P%d\n%d %d\n%d\n", &kind, &h.Width, &h.Height, &depth); err != nil {
		return h, false
	}
	h.Bands = 3
	if kind == 5 {
		h.Bands = 1
	}
	h.Offset = in.Size() - int64(in.Len())
	good := (kind == 5 || kind == 6) && depth == 255 && h.Width > 0 && h.Height > 0 && h.Width < 1<<20 && h.Height < 1<<20
	return h, good && r.Size() >= h.Offset+int64(h.Width)*int64(h.Height)*int64(h.Bands)
}
