package guard

import (
	"bytes"
	"fmt"
	"io"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// TypeRaster is the type of a file that a tool draws for libvips: bare pixels behind a netpbm
// header (P5 grey, P6 colours, P7 colours and alpha; 8 bits). No original has this type.
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
	h := Header{Type: TypeRaster, Pages: 1, Frames: 1, Orientation: 1}
	start := head(r, 80)
	for _, kind := range rasterKinds {
		in := bytes.NewReader(start)
		if _, err := fmt.Fscanf(in, kind.header, &h.Width, &h.Height); err != nil {
			continue
		}
		h.Bands, h.Offset = kind.bands, in.Size()-int64(in.Len())
		good := h.Width > 0 && h.Height > 0 && h.Width < 1<<20 && h.Height < 1<<20
		return h, good && r.Size() >= h.Offset+int64(h.Width)*int64(h.Height)*int64(h.Bands)
	}
	return h, false
}

// RasterHeader returns the header of a raster of 8 bits a sample: grey with one band, colours with three, colours
// and alpha with four.
func RasterHeader(width, height, bands int) string {
	for _, kind := range rasterKinds {
		if kind.bands == bands {
			return fmt.Sprintf(kind.header, width, height)
		}
	}
	panic(fmt.Sprintf("a raster of %d bands", bands))
}

// rasterKinds are netpbm's, of samples of 8 bits.
var rasterKinds = []struct {
	header string
	bands  int
}{
	{"P5\n%d %d\n255\n", 1}, {"P6\n%d %d\n255\n", 3},
	{"P7\nWIDTH %d\nHEIGHT %d\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n", 4},
}
