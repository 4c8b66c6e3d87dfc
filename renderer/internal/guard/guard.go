// Package guard reads an original's header before any decoder reads the original. It tells the
// type from the first bytes and the dimensions from the header, in Go alone. It refuses
// originals that decode to too many pixels.
//
// The caps follow Wikimedia's practice. A cap bounds the pixels of an original. A lower cap
// bounds formats whose decoder must hold all pixels in memory, even for a small thumbnail.
package guard

import (
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Header has the properties of an original that its first bytes tell.
type Header struct {
	Type thumbnail.Type `json:"type"`
	// Width and Height are the stored pixels, before EXIF turns the picture. Both are 0 if only
	// an engine can tell them: for a page, a video, a solid, or an SVG without a size.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
	// Exact has the width and the height of an SVG in pixels, with fractions.
	Exact [2]float64 `json:"exact,omitzero"`
	// Shown has the width and the height of an SVG in pixels as MediaWiki computes them; zeros if it has no
	// size there.
	Shown [2]int `json:"shown,omitzero"`
	// Orientation is EXIF's orientation, 1 to 8. 1 is upright; 5 to 8 swap width and height.
	Orientation int  `json:"orientation,omitempty"`
	Alpha       bool `json:"alpha,omitempty"` // pixels can be transparent
	// Mirror says how an AVIF or a HEIC of more than 8 bits is mirrored behind its turn.
	Mirror Mirror `json:"mirror,omitempty"`
	// Premultiplied means that the stored colours are multiplied by alpha. Only AVIF, HEIC and
	// JPEG XL set it.
	Premultiplied bool `json:"premultiplied,omitempty"`
	// Sequence means that an AVIF or a HEIC has pictures in tracks only, and no still picture.
	Sequence bool `json:"sequence,omitempty"`
	Indexed  bool `json:"indexed,omitempty"` // colours of a palette, or 8-bit grey: most likely a drawing
	// Uncompressed means that a HEIC has a picture without compression (ISO/IEC 23001-17).
	Uncompressed bool `json:"uncompressed,omitempty"`
	// Whole means that a decoder must hold all pixels at once: for a progressive JPEG, an
	// interlaced PNG, and formats that no decoder reads line by line.
	Whole       bool `json:"whole,omitempty"`
	Progressive bool `json:"progressive,omitempty"`
	// Deep means that samples have more than 8 bits. Only PNG, AVIF, HEIC and JPEG XL set it.
	Deep bool `json:"deep,omitempty"`
	// Colour is the colour space of a PNG, AVIF or HEIC without an ICC profile.
	Colour colour.Space `json:"colour,omitzero"`
	// Colours is the number of a TIFF's bands that are colours, or 0 if the number of bands
	// tells the colours. AlphaBand is the index of the alpha band, behind the colours; 0 means
	// no alpha.
	Colours   int `json:"colours,omitempty"`
	AlphaBand int `json:"alpha_band,omitempty"`
	// Expand means that libtiff's own program must expand a TIFF's samples to red, green and blue: the TIFF stores
	// luma and chroma, but not as a JPEG of today.
	Expand bool `json:"expand,omitempty"`
	// Unnamed is 1 more than the photometric interpretation that a TIFF should name and does not; 0 if it names one.
	Unnamed int `json:"unnamed,omitempty"`
	// ByTool means that a tool must draw the original, although libvips reads its type.
	ByTool bool `json:"by_tool,omitempty"`
	Pages  int  `json:"pages,omitempty"`  // a TIFF's pages; 1 for all other types
	Frames int  `json:"frames,omitempty"` // an animation's frames, at most maxFrames; 1 for all other types
	Inks   bool `json:"inks,omitempty"`   // a PSD or a JPEG XL has CMYK colours
	Part   int  `json:"part,omitempty"`   // an ICO's picture to draw, from 0 on
	// Beyond means that a frame of a GIF reaches beyond the screen.
	Beyond bool `json:"beyond,omitempty"`
	// Original is the original's type, if a tool drew this file and the original's name can tell
	// a wrong type.
	Original thumbnail.Type `json:"original,omitempty"`
	// Offset is the offset of a raster's first pixel in bytes; Bands is 1 or 3.
	Offset int64 `json:"offset,omitempty"`
	Bands  int   `json:"bands,omitempty"`

	profiled bool // the original has an ICC profile
}

// Mirror is the mirroring of a HEIF (ISO/IEC 23008-12, 6.5.12).
type Mirror int

// The ways to mirror a picture; 0 means none.
const (
	TopToBottom Mirror = 1
	LeftToRight Mirror = 2
)

// Area returns the number of pixels of all frames together.
func (h Header) Area() int64 { return int64(h.Width) * int64(h.Height) * int64(h.Frames) }

// wholeShare divides the cap for originals whose decoder holds all pixels at once: a
// progressive JPEG takes about three bytes per pixel.
const wholeShare = 4

// kind is a format whose files have the magic at an offset.
type kind struct {
	magic string
	at    int
	read  func(*io.SectionReader) (Header, error)
}

// kinds lists the formats with a long magic. readHeader tries formats without a magic, or with
// two letters, afterwards.
var kinds = []kind{
	{"\xff\xd8\xff", 0, readJPEG},
	{"\x89PNG\r\n\x1a\n", 0, readPNG},
	{"GIF87a", 0, readGIF},
	{"GIF89a", 0, readGIF},
	{"WEBPVP8", 8, readWebP},
	{"II*\x00", 0, readTIFF},
	{"MM\x00*", 0, readTIFF},
	{"II+\x00", 0, readTIFF},
	{"MM\x00+", 0, readTIFF},
	{"ftyp", 4, readBaseMedia},
	{"moov", 4, only(thumbnail.TypeVideo)}, // QuickTime before it had brands
	{"mdat", 4, only(thumbnail.TypeVideo)},
	{"wide", 4, only(thumbnail.TypeVideo)},
	{"AVI LIST", 8, only(thumbnail.TypeVideo)},
	{"\xff\x0a", 0, readJXL},
	{"\x00\x00\x00\x0cJXL \r\n\x87\n", 0, readJXLContainer},
	{"\x00\x00\x00\x0cjP  \r\n\x87\n", 0, readJP2},
	{"\xff\x4f\xff\x51", 0, readJ2K},
	{"gimp xcf ", 0, readXCF},
	{"8BPS\x00\x01", 0, readPSD},
	{"8BPS\x00\x02", 0, readPSD},
	{"AT&TFORM", 0, only(thumbnail.TypeDjVu)},
	{"OggS", 0, only(thumbnail.TypeVideo)},
	{"\x1a\x45\xdf\xa3", 0, only(thumbnail.TypeVideo)}, // Matroska, WebM
	{"\x00\x00\x01\xba", 0, only(thumbnail.TypeVideo)}, // MPEG program stream
	{"\x00\x00\x01\xb3", 0, only(thumbnail.TypeVideo)}, // MPEG video
	{"%PDF-", 0, only(thumbnail.TypePDF)},
}

// only returns a reader for a format whose header tells no dimensions.
func only(t thumbnail.Type) func(*io.SectionReader) (Header, error) {
	return func(*io.SectionReader) (Header, error) { return Header{Type: t}, nil }
}

// Inspect reads the header of an original of the given size in bytes. promised is the type by
// the original's name. Inspect refuses a file of another type, because the name decides the
// throttle; only bitmaps may have the name of another bitmap. maxPixels is the cap.
//
// Errors are faults: Undecodable, TooLarge, Unsupported.
func Inspect(file io.ReaderAt, size int64, promised thumbnail.Type, maxPixels int64) (Header, error) {
	if promised == "" {
		promised = thumbnail.TypeUnknown
	}
	h, err := readHeader(io.NewSectionReader(&window{file: file}, 0, size), promised)
	if err != nil {
		return h, err
	}
	if !fits(h.Type, promised) && h.Type == thumbnail.TypeVideo && bitmap(promised) {
		return h, fault.New(fault.Undecodable, "the original is not the %s that its name promises: it has no brand or item of a picture", promised)
	}
	if !fits(h.Type, promised) {
		return h, fault.New(fault.Undecodable, "the original is a %s file, not the %s that its name promises", h.Type, promised)
	}
	if err := measured(h); err != nil {
		return h, err
	}
	if h.Type == thumbnail.TypeSVG {
		return h, nil // an engine draws the SVG at the thumbnail's size
	}
	limit := maxPixels
	if h.Whole {
		limit /= wholeShare
	}
	if int64(h.Width)*int64(h.Height) > limit {
		return h, fault.New(fault.TooLarge, "the original has %d × %d pixels; at most %d pixels are allowed for this kind of %s", h.Width, h.Height, limit, h.Type)
	}
	return h, nil
}

// fits reports whether the name may promise the found type. A bitmap may have the name of
// another bitmap type, as many have.
func fits(found, promised thumbnail.Type) bool {
	return found == promised || promised == thumbnail.TypeUnknown || bitmap(found) && bitmap(promised)
}

func bitmap(t thumbnail.Type) bool {
	return slices.Contains([]thumbnail.Type{
		thumbnail.TypeJPEG, thumbnail.TypePNG, thumbnail.TypeGIF, thumbnail.TypeWebP, thumbnail.TypeTIFF,
		thumbnail.TypeHEIC, thumbnail.TypeAVIF, thumbnail.TypeJXL, thumbnail.TypeJP2,
		thumbnail.TypeBMP, thumbnail.TypeICO, thumbnail.TypePSD, thumbnail.TypeTGA, thumbnail.TypePNM,
	}, t)
}

// measured returns an error if a bitmap has no pixels.
func measured(h Header) error {
	mustTell := bitmap(h.Type) || h.Type == thumbnail.TypeXCF
	if mustTell && (h.Width <= 0 || h.Height <= 0) {
		return fault.New(fault.Undecodable, "the original declares %d × %d pixels; both sides must have at least 1 pixel", h.Width, h.Height)
	}
	return nil
}

func readHeader(file *io.SectionReader, promised thumbnail.Type) (Header, error) {
	var first [16]byte
	n, err := file.ReadAt(first[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Header{}, fault.Wrap(err, fault.Internal, "cannot read the original's header from the renderer's disk")
	}
	for _, k := range kinds {
		if k.at <= n && hasAt(first[k.at:n], k.magic) {
			return finish(k.read(file))
		}
	}
	for _, try := range []func(*io.SectionReader) (Header, bool){readTransportStream, readBMP, readICO, readPNM, readSVGZ, readSVG, readSTL, readLatePDF} {
		if h, ok := try(file); ok && fits(h.Type, promised) {
			return finish(h, nil)
		}
	}
	byName := map[thumbnail.Type]func(*io.SectionReader) (Header, bool){thumbnail.TypeTGA: readTGA, thumbnail.TypeSTL: readLongSTL, thumbnail.TypeBMP: readDIB}
	if try := byName[promised]; try != nil {
		if h, ok := try(file); ok {
			return finish(h, nil)
		}
	}
	return Header{}, unknown(promised)
}

// unknown returns the fault for an original of an unknown type; it lists the allowed types.
func unknown(promised thumbnail.Type) error {
	switch promised {
	case thumbnail.TypeUnknown:
		return fault.New(fault.Unsupported, "neither the name nor the first bytes of the original tell an allowed type; the allowed types are %s", strings.Join(thumbnail.Rendered(), ", "))
	case thumbnail.TypeAudio:
		return fault.New(fault.Unsupported, "the original is a sound and has no picture")
	}
	return fault.New(fault.Undecodable, "the original is not the %s file that its name promises", promised)
}

// finish makes Pages, Frames and Orientation at least 1, sets Whole for a progressive
// original, and turns an error into a fault.
func finish(h Header, err error) (Header, error) {
	var refused *fault.Fault
	if errors.As(err, &refused) {
		return h, err
	}
	if err != nil {
		return h, fault.Wrap(err, fault.Undecodable, "the original is damaged: cannot read its header")
	}
	h.Pages, h.Frames, h.Orientation = max(1, h.Pages), max(1, h.Frames), max(1, h.Orientation)
	h.Whole = h.Whole || h.Progressive
	return h, nil
}

func hasAt(b []byte, magic string) bool {
	return len(b) >= len(magic) && string(b[:len(magic)]) == magic
}

// side returns an unsigned side as an int below 1<<31, so that a product of two sides cannot
// overflow.
func side(n uint32) int { return int(min(n, 1<<31-1)) }
