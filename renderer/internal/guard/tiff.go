package guard

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	tagWidth  = 256
	tagHeight = 257
	maxPages  = 4096   // directories
	maxFields = 4096   // of one directory
	allFields = 65_536 // of all directories together: what is crafted must not cost seconds
)

// tiff reads directories of classic and big TIFF.
type tiff struct {
	r     *io.SectionReader
	order binary.ByteOrder
	big   bool
	seen  int64 // fields so far
}

// readTIFF takes the dimensions of the largest page, since any may be asked for.
func readTIFF(r *io.SectionReader) (Header, error) {
	var b [16]byte
	n, err := r.ReadAt(b[:], 0)
	if n < 8 {
		return Header{}, err
	}
	t := tiff{r: r, order: binary.LittleEndian}
	if b[0] == 'M' {
		t.order = binary.BigEndian
	}
	t.big = t.order.Uint16(b[2:]) == 43
	next := int64(t.order.Uint32(b[4:]))
	if t.big {
		if n < 16 {
			return Header{}, err
		}
		next = int64(t.order.Uint64(b[8:])) //nolint:gosec // a negative offset fails to read
	}
	h := Header{Type: thumbnail.TypeTIFF}
	seen := map[int64]bool{}
	for next != 0 && !seen[next] && h.Pages < maxPages {
		seen[next] = true
		width, height, following, err := t.directory(next)
		if err != nil {
			var refused *fault.Fault
			if h.Pages > 0 && !errors.As(err, &refused) {
				break // what was read so far can be rendered
			}
			return h, err
		}
		if width*height > h.Width*h.Height {
			h.Width, h.Height = width, height
		}
		h.Pages++
		next = following
	}
	if h.Pages == maxPages && next != 0 && !seen[next] {
		return h, tooManyPages()
	}
	return h, nil
}

// tooManyPages: a decoder would walk them all.
func tooManyPages() error {
	return fault.New(fault.TooLarge, "a TIFF of more than %d pages, or more than %d fields, is not rendered", maxPages, allFields)
}

func (t *tiff) directory(at int64) (width, height int, next int64, err error) {
	countSize, fieldSize, offsetSize := int64(2), int64(12), int64(4)
	if t.big {
		countSize, fieldSize, offsetSize = 8, 20, 8
	}
	count, err := t.number(at, countSize)
	if err != nil || count > maxFields {
		return 0, 0, 0, errors.Join(errors.New("a directory that cannot be read"), err)
	}
	if t.seen += count; t.seen > allFields {
		return 0, 0, 0, tooManyPages()
	}
	fields := make([]byte, count*fieldSize)
	if _, err := t.r.ReadAt(fields, at+countSize); err != nil {
		return 0, 0, 0, err
	}
	for field := range slices.Chunk(fields, int(fieldSize)) {
		switch t.order.Uint16(field) {
		case tagWidth:
			width = t.value(field)
		case tagHeight:
			height = t.value(field)
		}
	}
	next, err = t.number(at+countSize+count*fieldSize, offsetSize)
	if err != nil {
		next = 0
	}
	return width, height, next, nil
}

// value reads a SHORT or a LONG that is kept in its field.
func (t *tiff) value(field []byte) int {
	const kindShort = 3
	kind, value := t.order.Uint16(field[2:]), field[8:]
	if t.big {
		value = field[12:]
	}
	if kind == kindShort {
		return int(t.order.Uint16(value))
	}
	return side(t.order.Uint32(value))
}

func (t *tiff) number(at, size int64) (int64, error) {
	var b [8]byte
	if _, err := t.r.ReadAt(b[:size], at); err != nil {
		return 0, err
	}
	switch size {
	case 2:
		return int64(t.order.Uint16(b[:])), nil
	case 4:
		return int64(t.order.Uint32(b[:])), nil
	}
	return int64(min(t.order.Uint64(b[:]), 1<<62)), nil
}
