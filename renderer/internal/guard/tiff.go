package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	tagWidth        = 256
	tagHeight       = 257
	tagBits         = 258
	tagCompression  = 259
	tagPhotometric  = 262
	tagOrientation  = 274
	tagSamples      = 277
	tagPlanar       = 284
	tagTileWidth    = 322
	tagExtraSamples = 338
	tagFormat       = 339

	maxPages  = 4096   // directories
	maxFields = 4096   // fields of one directory
	allFields = 65_536 // fields of all directories together: a crafted file must not cost seconds
)

// tiff reads directories of classic and big TIFF.
type tiff struct {
	r     *io.SectionReader
	order binary.ByteOrder
	big   bool
	seen  int64 // fields so far
}

// page has the values of one directory.
type page struct {
	width, height, orientation int
	samples                    int
	numbers                    map[uint16]int // the values of tags that tell the storage of samples
	extra                      []int          // the meaning of each sample that is not a colour: extraAssociated, extraAlpha, or unknown
}

// These are the meanings of an extra sample (TIFF 6.0, section 18).
const (
	extraAssociated = 1 // alpha; the stored colours are multiplied by alpha, and libvips divides them
	extraAlpha      = 2
	maxExtra        = 64
)

// openTIFF reads the byte order, and returns the offset of the first directory in bytes.
func openTIFF(r *io.SectionReader) (t *tiff, first int64, err error) {
	var b [16]byte
	n, err := r.ReadAt(b[:], 0)
	if n < 8 {
		return nil, 0, errors.Join(io.ErrUnexpectedEOF, err)
	}
	t = &tiff{r: r, order: binary.LittleEndian}
	if b[0] == 'M' {
		t.order = binary.BigEndian
	}
	t.big = t.order.Uint16(b[2:]) == 43
	if !t.big {
		return t, int64(t.order.Uint32(b[4:])), nil
	}
	if n < 16 {
		return nil, 0, io.ErrUnexpectedEOF
	}
	return t, int64(t.order.Uint64(b[8:])), nil //nolint:gosec // a negative offset fails to read
}

// readTIFF returns the dimensions of the largest page, because a URL can ask for any page.
func readTIFF(r *io.SectionReader) (Header, error) {
	h := Header{Type: thumbnail.TypeTIFF}
	t, next, err := openTIFF(r)
	if err != nil {
		return h, err
	}
	seen := map[int64]bool{}
	for next != 0 && !seen[next] && h.Pages < maxPages {
		seen[next] = true
		p, following, err := t.directory(next)
		if err != nil {
			var refused *fault.Fault
			if h.Pages > 0 && !errors.As(err, &refused) {
				break // the engine can render the earlier pages
			}
			return h, err
		}
		if p.width*p.height > h.Width*h.Height {
			h.Width, h.Height, h.Orientation = p.width, p.height, p.orientation
			p.bands(&h)
			h.Expand, h.Unnamed = p.subsampled(), p.unnamed()
			h.Indexed = p.followedPalette()
			h.ByTool = h.Expand || h.Unnamed > 0 || p.rare()
			h.Whole = h.ByTool // the tool holds all pixels
		}
		h.Pages++
		next = following
	}
	if h.Pages == maxPages && next != 0 && !seen[next] {
		return h, tooManyPages()
	}
	return h, nil
}

// tooManyPages refuses the TIFF, because a decoder would read all its pages.
func tooManyPages() error {
	return fault.New(fault.TooLarge, "the TIFF has too many pages or fields: at most %d pages and %d fields are allowed", maxPages, allFields)
}

func (t *tiff) directory(at int64) (p page, next int64, err error) {
	countSize, fieldSize, offsetSize := int64(2), int64(12), int64(4)
	if t.big {
		countSize, fieldSize, offsetSize = 8, 20, 8
	}
	count, err := t.number(at, countSize)
	if err != nil {
		return p, 0, fmt.Errorf("read the directory at offset %d: %w", at, err)
	}
	if count > maxFields {
		return p, 0, fmt.Errorf("the directory at offset %d has %d fields: the most is %d", at, count, maxFields)
	}
	if t.seen += count; t.seen > allFields {
		return p, 0, tooManyPages()
	}
	fields := make([]byte, count*fieldSize)
	if _, err := t.r.ReadAt(fields, at+countSize); err != nil {
		return p, 0, err
	}
	for field := range slices.Chunk(fields, int(fieldSize)) {
		switch t.order.Uint16(field) {
		case tagWidth:
			p.width = t.value(field)
		case tagHeight:
			p.height = t.value(field)
		case tagOrientation:
			p.orientation = t.value(field)
		case tagExtraSamples:
			p.extra = t.values(field, maxExtra)
		case tagSamples:
			p.samples = t.value(field)
		case tagCompression, tagPhotometric, tagPlanar, tagTileWidth:
			p.note(t.order.Uint16(field), []int{t.value(field)})
		case tagBits, tagFormat: // one for each sample
			p.note(t.order.Uint16(field), t.values(field, 1))
		}
	}
	next, err = t.number(at+countSize+count*fieldSize, offsetSize)
	if err != nil {
		next = 0
	}
	return p, next, nil
}

func (p *page) note(tag uint16, values []int) {
	if p.numbers == nil {
		p.numbers = map[uint16]int{}
	}
	if len(values) > 0 {
		p.numbers[tag] = values[0]
	}
}

// These are values of a TIFF's tags (TIFF 6.0).
const (
	tiffWhiteIsZero = 0
	tiffBlackIsZero = 1
	tiffRGB         = 2
	tiffOldJPEG     = 6
	tiffJPEG        = 7
	tiffPalette     = 3
	tiffInks        = 5
	tiffLab         = 8
	tiffYCbCr       = 6
	tiffSeparate    = 2 // planes
	tiffFloat       = 3
)

// rare reports whether libvips cannot read the samples. libvips reads samples of 1, 2, 4, 8, 16
// and 32 bits, and floats of 32 bits; it does not read tiles of one plane each, and it takes the numbers of a palette
// for grey if other samples follow them.
func (p page) rare() bool {
	bits := p.numbers[tagBits]
	usual := slices.Contains([]int{0, 1, 2, 4, 8, 16, 32}, bits)
	if p.numbers[tagFormat] == tiffFloat {
		usual = bits == 32
	}
	return !usual || p.followedPalette() || p.mistaken() || p.numbers[tagPlanar] == tiffSeparate && p.numbers[tagTileWidth] > 0
}

// followedPalette reports whether other samples follow the number of a colour.
func (p page) followedPalette() bool {
	return p.numbers[tagPhotometric] == tiffPalette && p.samples > 1
}

// mistaken reports whether libvips takes the alpha of the page for something else: it divides colours by alpha as if both
// had 8 bits, also floats and deep inks, and it takes the alpha behind CIELAB for a coordinate.
func (p page) mistaken() bool {
	photometric := p.numbers[tagPhotometric]
	deep := p.numbers[tagFormat] == tiffFloat || photometric == tiffInks && p.numbers[tagBits] > 8
	return deep && slices.Contains(p.extra, extraAssociated) || photometric == tiffLab && len(p.extra) > 0
}

// subsampled reports whether the page stores luma and chroma, but not as a JPEG of today.
func (p page) subsampled() bool {
	compression := p.numbers[tagCompression]
	return compression == tiffOldJPEG || p.numbers[tagPhotometric] == tiffYCbCr && compression != tiffJPEG
}

// unnamed returns 1 more than the likely photometric interpretation of a page that names none, or 0. Faxes have white as
// 0; other pages are grey, or red, green and blue.
func (p page) unnamed() int {
	_, named := p.numbers[tagPhotometric]
	compression := p.numbers[tagCompression]
	switch colours := p.samples - len(p.extra); {
	case named:
		return 0
	case colours >= 3:
		return 1 + tiffRGB
	case compression >= 2 && compression <= 4:
		return 1 + tiffWhiteIsZero
	}
	return 1 + tiffBlackIsZero
}

// bands sets the number of colours in h, and the index of the alpha band.
func (p page) bands(h *Header) {
	h.Colours, h.AlphaBand = 0, 0
	if len(p.extra) == 0 || p.samples <= len(p.extra) {
		return
	}
	h.Colours = p.samples - len(p.extra)
	if at := slices.IndexFunc(p.extra, func(kind int) bool { return kind == extraAssociated || kind == extraAlpha }); at >= 0 {
		h.Alpha, h.AlphaBand = true, h.Colours+at
	}
}

// values returns the SHORTs of a field, at most the given number, or nil if they cannot be
// read.
func (t *tiff) values(field []byte, most int) (all []int) {
	count, content, room := int64(t.order.Uint32(field[4:])), field[8:], int64(2)
	if t.big {
		count, content, room = int64(min(t.order.Uint64(field[4:]), maxExtra)), field[12:], 4
	}
	inline := count <= room
	count = min(count, int64(most))
	if !inline {
		at := int64(t.order.Uint32(content))
		if t.big {
			at = int64(min(t.order.Uint64(content), 1<<62))
		}
		content = make([]byte, 2*count)
		if _, err := t.r.ReadAt(content, at); err != nil {
			return nil
		}
	}
	for i := range count {
		all = append(all, int(t.order.Uint16(content[2*i:])))
	}
	return all
}

// value returns a SHORT or a LONG that stands in the field itself.
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
