package tools

import (
	"bytes"
	"fmt"
	"io"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// sheet is a storyboard under way: tiles of one size in rows, in red, green and blue.
type sheet struct {
	columns, rows, width, height int // width and height are a tile's, in pixels
	pixels                       []byte
}

// storyboard draws frames of the film at equal distances, each from the middle of its share of the time. All together have at
// most as many pixels as one frame. A frame that cannot be decoded stays black; at least one must be decoded.
func (t *task) storyboard(s stream, film span) error {
	wide, high := s.shown()
	b := t.request.Spec.Storyboard
	share := int64(max(b.Columns, b.Rows))
	all := sheet{columns: b.Columns, rows: b.Rows, width: int(max(1, wide/share)), height: int(max(1, high/share))}
	all.pixels = make([]byte, 3*all.columns*all.width*all.rows*all.height)
	tile := frame{stream: s, how: exactly, opaque: true, filter: fmt.Sprintf("%s,scale=%d:%d:flags=bicubic+accurate_rnd,format=rgb24", s.filters(), all.width, all.height)}
	count, found := all.columns*all.rows, false
	for i := range count {
		tile.second = film.start + (film.end-film.start)*(float64(i)+0.5)/float64(count)
		var raster bytes.Buffer
		if err := t.runProgram(call{program: "ffmpeg", args: tile.args(), out: &raster}); err != nil {
			if fault.Of(err).Kind != fault.Undecodable {
				return err
			}
			continue
		}
		found = all.place(i, raster.Bytes()) || found
	}
	if !found {
		return fault.New(fault.Undecodable, "no frame of the original can be decoded")
	}
	return all.write(t.request.Out)
}

// place copies a raster into tile i, and reports whether the raster has a tile's size.
func (s *sheet) place(i int, raster []byte) bool {
	h, err := guard.Drawn(bytes.NewReader(raster), int64(len(raster)), int64(s.width)*int64(s.height))
	if err != nil || h.Width != s.width || h.Height != s.height || h.Bands != 3 {
		return false
	}
	left, top := i%s.columns*s.width, i/s.columns*s.height
	for y := range s.height {
		from := int(h.Offset) + 3*y*s.width
		copy(s.pixels[3*((top+y)*s.columns*s.width+left):], raster[from:from+3*s.width])
	}
	return true
}

func (s *sheet) write(out io.Writer) error {
	if _, err := io.WriteString(out, guard.RasterHeader(s.columns*s.width, s.rows*s.height, 3)); err != nil {
		return err
	}
	_, err := out.Write(s.pixels)
	return err
}
