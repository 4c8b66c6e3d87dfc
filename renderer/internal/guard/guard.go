// Package guard looks at an original before any decoder does: it tells the type
// from the first bytes and the dimensions from the header, in Go alone, and
// refuses what would decode to too many pixels.
//
// The caps are Wikimedia's practice: a bound on pixels, and a lower one where a
// decoder must hold all of them in memory however small the thumbnail is.
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

// Header is what the first bytes of an original tell.
type Header struct {
	Type thumbnail.Type `json:"type"`
	// Width and Height are pixels as stored, before EXIF turns them. Both are 0 when
	// only an engine can tell: of a page, a video, a solid, an SVG without a size.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
	// Exact is the sides of an SVG, which need not be whole.
	Exact [2]float64 `json:"exact,omitzero"`
	// Shown is the sides of an SVG as MediaWiki has them, in pixels; zeros where it has none.
	Shown [2]int `json:"shown,omitzero"`
	// Orientation is EXIF's, 1 to 8; 1 is upright, from 5 on the sides change places.
	Orientation int  `json:"orientation,omitempty"`
	Alpha       bool `json:"alpha,omitempty"` // pixels can be transparent
	// Premultiplied means that colours are stored multiplied by alpha. It is told of AVIF and HEIC.
	Premultiplied bool `json:"premultiplied,omitempty"`
	// Sequence means that an AVIF or a HEIC has pictures in a track alone, none that stands for itself.
	Sequence bool `json:"sequence,omitempty"`
	Indexed  bool `json:"indexed,omitempty"` // colours of a palette, or 8-bit grey: most likely a drawing
	// Whole means that a decoder must hold all pixels at once: a progressive JPEG,
	// an interlaced PNG, and formats that know no other way.
	Whole       bool `json:"whole,omitempty"`
	Progressive bool `json:"progressive,omitempty"`
	// Colour is what a PNG, AVIF or HEIC without an ICC profile says of its colours.
	Colour colour.Space `json:"colour,omitzero"`
	// Colours is how many bands of a TIFF are colours, and AlphaBand which one after them is
	// its alpha; 0 is none. Colours is 0 where the bands are what their number says.
	Colours   int `json:"colours,omitempty"`
	AlphaBand int `json:"alpha_band,omitempty"`
	// Subsampled means that a TIFF has luma and chroma, not as a JPEG.
	Subsampled bool `json:"subsampled,omitempty"`
	// ByTool means that a tool must draw this one, though libvips reads others of its type.
	ByTool bool `json:"by_tool,omitempty"`
	Pages  int  `json:"pages,omitempty"`  // of a TIFF; 1 for all else
	Frames int  `json:"frames,omitempty"` // of an animation; 1 for all else. At most maxFrames are counted
	Inks   bool `json:"inks,omitempty"`   // of a PSD: CMYK
	Part   int  `json:"part,omitempty"`   // of an ICO: the picture that is drawn, from 0 on
	// Beyond means that a frame of a GIF reaches beyond the screen.
	Beyond bool `json:"beyond,omitempty"`
	// Original is the type of what a tool drew this from, when its name may be another's.
	Original thumbnail.Type `json:"original,omitempty"`
	// Offset is where the pixels of a raster begin, in bytes; Bands is 1 or 3.
	Offset int64 `json:"offset,omitempty"`
	Bands  int   `json:"bands,omitempty"`

	profiled bool // an ICC profile was seen
}

// Area is the number of pixels of all frames.
func (h Header) Area() int64 { return int64(h.Width) * int64(h.Height) * int64(h.Frames) }

// wholeShare is the part of the cap that an original may have whose decoder
// holds it whole: a progressive JPEG takes about three bytes a pixel.
const wholeShare = 4

// kind is one way in which an original begins.
type kind struct {
	magic string
	at    int
	read  func(*io.SectionReader) (Header, error)
}

// kinds lists them. What has none, or one of two letters, is tried afterwards.
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

// only is a reader of formats whose header tells no dimensions.
func only(t thumbnail.Type) func(*io.SectionReader) (Header, error) {
	return func(*io.SectionReader) (Header, error) { return Header{Type: t}, nil }
}

// Inspect reads the header of an original of the given size in bytes. promised
// is the type by the original's name: an engine other than its own is never
// given a file, so that a name decides the throttle that holds. maxPixels is
// the cap.
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
		return h, nil // is drawn at the thumbnail's size
	}
	limit := maxPixels
	if h.Whole {
		limit /= wholeShare
	}
	if int64(h.Width)*int64(h.Height) > limit {
		return h, fault.New(fault.TooLarge, "the original has %d × %d pixels; at most %d of such a %s are rendered", h.Width, h.Height, limit, h.Type)
	}
	return h, nil
}

// fits allows bitmaps to be misnamed among themselves, as many are.
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

// measured refuses a bitmap that has no pixels.
func measured(h Header) error {
	mustTell := bitmap(h.Type) || h.Type == thumbnail.TypeXCF
	if mustTell && (h.Width <= 0 || h.Height <= 0) {
		return fault.New(fault.Undecodable, "the original declares %d × %d pixels", h.Width, h.Height)
	}
	return nil
}

func readHeader(file *io.SectionReader, promised thumbnail.Type) (Header, error) {
	var first [16]byte
	n, err := file.ReadAt(first[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Header{}, fault.Wrap(err, fault.Internal, "the original could not be read back")
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
	byName := map[thumbnail.Type]func(*io.SectionReader) (Header, bool){thumbnail.TypeTGA: readTGA, thumbnail.TypeSTL: readLongSTL}
	if try := byName[promised]; try != nil {
		if h, ok := try(file); ok {
			return finish(h, nil)
		}
	}
	return Header{}, unknown(promised)
}

// unknown says what is allowed.
func unknown(promised thumbnail.Type) error {
	switch promised {
	case thumbnail.TypeUnknown:
		return fault.New(fault.Unsupported, "neither the name nor the first bytes of the original tell a type that is rendered; those are %s", strings.Join(thumbnail.Rendered(), ", "))
	case thumbnail.TypeAudio:
		return fault.New(fault.Unsupported, "the original is a sound, of which there is no picture")
	}
	return fault.New(fault.Undecodable, "the original is not the %s file that its name promises", promised)
}

// finish fills in what a reader left at its usual value.
func finish(h Header, err error) (Header, error) {
	var refused *fault.Fault
	if errors.As(err, &refused) {
		return h, err
	}
	if err != nil {
		return h, fault.Wrap(err, fault.Undecodable, "the original is damaged: its header cannot be read")
	}
	h.Pages, h.Frames, h.Orientation = max(1, h.Pages), max(1, h.Frames), max(1, h.Orientation)
	h.Whole = h.Whole || h.Progressive
	return h, nil
}

func hasAt(b []byte, magic string) bool {
	return len(b) >= len(magic) && string(b[:len(magic)]) == magic
}

// side turns an unsigned side into one that cannot overflow a product.
func side(n uint32) int { return int(min(n, 1<<31-1)) }
