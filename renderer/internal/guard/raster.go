package guard

import (
	"bytes"
	"fmt"
	"io"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// TypeRaster is no type of originals: it is what a tool draws for libvips, as
// bare pixels behind a netpbm header (P5 grey, P6 colours, 8 bits).
const TypeRaster thumbnail.Type = "raster"

// Drawn reads the header of what a tool gave: a raster, a PNG or a GIF. A tool
// has seen hostile bytes, so that its word is taken for nothing. Errors are
// faults as of Inspect.
func Drawn(file io.ReaderAt, size int64, maxPixels int64) (Header, error) {
	r := io.NewSectionReader(file, 0, size)
	h, ok := readRaster(r)
	if !ok {
		var err error
		if h, err = readHeader(r, thumbnail.TypePNG); err != nil || h.Type != thumbnail.TypePNG && h.Type != thumbnail.TypeGIF {
			return h, fault.Wrap(err, fault.Undecodable, "the original could not be decoded: nothing in it is a picture")
		}
	}
	if int64(h.Width)*int64(h.Height) > maxPixels {
		return h, fault.New(fault.TooLarge, "the original draws as %d × %d pixels; at most %d are rendered", h.Width, h.Height, maxPixels)
	}
	return h, nil
}

// readRaster wants all the pixels that the header promises.
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
