// Package guard looks at an original before any decoder does: it tells the type
// from the first bytes and the dimensions from the header, in Go alone, and
// refuses what would decode to too many pixels.
//
// The caps are Wikimedia's practice: a bound on pixels, and a lower one for
// progressive JPEG, which a decoder must hold whole in memory (about three bytes
// a pixel) however small the thumbnail is.
package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Header is what the first bytes of an original tell.
type Header struct {
	Type        thumbnail.Type `json:"type"`
	Width       int            `json:"width"`  // as stored, before EXIF turns it
	Height      int            `json:"height"` // as stored
	Progressive bool           `json:"progressive,omitempty"`
	Pages       int            `json:"pages"` // of a TIFF; 1 for all else
}

// progressiveShare is the part of the cap that a progressive JPEG may have.
const progressiveShare = 4

// Inspect reads the header of an original of the given size in bytes. The type
// that its name promised decides only how an unknown content is called:
// damaged, or of a type that no engine reads.
func Inspect(file io.ReaderAt, size int64, promised thumbnail.Type, maxPixels int64) (Header, error) {
	h, err := read(io.NewSectionReader(file, 0, size), promised)
	if err != nil {
		return h, err
	}
	if h.Width <= 0 || h.Height <= 0 {
		return h, fault.New(fault.Undecodable, "the original declares %d × %d pixels", h.Width, h.Height)
	}
	limit := maxPixels
	if h.Progressive {
		limit /= progressiveShare
	}
	if int64(h.Width)*int64(h.Height) > limit {
		return h, fault.New(fault.TooLarge, "the original has %d × %d pixels; at most %d are rendered", h.Width, h.Height, limit)
	}
	return h, nil
}

var readers = []struct {
	magic string
	at    int64
	read  func(*io.SectionReader) (Header, error)
}{
	{"\xff\xd8\xff", 0, readJPEG},
	{"\x89PNG\r\n\x1a\n", 0, readPNG},
	{"GIF87a", 0, readGIF},
	{"GIF89a", 0, readGIF},
	{"WEBPVP8", 8, readWebP},
	{"II*\x00", 0, readTIFF},
	{"MM\x00*", 0, readTIFF},
	{"II+\x00", 0, readTIFF},
	{"MM\x00+", 0, readTIFF},
}

func read(file *io.SectionReader, promised thumbnail.Type) (Header, error) {
	var first [16]byte
	n, err := file.ReadAt(first[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Header{}, fault.Wrap(err, fault.Internal, "the original could not be read back")
	}
	for _, r := range readers {
		if int(r.at) <= n && hasAt(first[r.at:n], r.magic) {
			h, err := r.read(file)
			var refused *fault.Fault
			if errors.As(err, &refused) {
				return h, err
			}
			if err != nil {
				return h, fault.Wrap(err, fault.Undecodable, "the original is damaged: its header cannot be read")
			}
			h.Pages = max(1, h.Pages)
			return h, nil
		}
	}
	if Readable(promised) {
		return Header{}, fault.New(fault.Undecodable, "the original is not the %s file that its name promises", promised)
	}
	return Header{}, fault.New(fault.Unsupported, "no engine here renders originals of type %s", promised)
}

func hasAt(b []byte, magic string) bool {
	return len(b) >= len(magic) && string(b[:len(magic)]) == magic
}

// Readable reports whether guard knows the type's header.
func Readable(t thumbnail.Type) bool {
	switch t {
	case thumbnail.TypeJPEG, thumbnail.TypePNG, thumbnail.TypeGIF, thumbnail.TypeWebP, thumbnail.TypeTIFF:
		return true
	}
	return false
}

func readPNG(r *io.SectionReader) (Header, error) {
	var b [24]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return Header{}, err
	}
	if string(b[12:16]) != "IHDR" {
		return Header{}, errors.New("no IHDR")
	}
	return Header{
		Type:  thumbnail.TypePNG,
		Width: side(binary.BigEndian.Uint32(b[16:])), Height: side(binary.BigEndian.Uint32(b[20:])),
	}, nil
}

// side turns an unsigned side into one that cannot overflow a product.
func side(n uint32) int { return int(min(n, 1<<31-1)) }

func readGIF(r *io.SectionReader) (Header, error) {
	var b [10]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return Header{}, err
	}
	return Header{
		Type:  thumbnail.TypeGIF,
		Width: int(binary.LittleEndian.Uint16(b[6:])), Height: int(binary.LittleEndian.Uint16(b[8:])),
	}, nil
}

// readWebP knows the three kinds of first chunk: lossy, lossless, extended.
func readWebP(r *io.SectionReader) (Header, error) {
	var b [30]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return Header{}, err
	}
	h := Header{Type: thumbnail.TypeWebP}
	switch string(b[12:16]) {
	case "VP8 ":
		if string(b[23:26]) != "\x9d\x01\x2a" {
			return h, errors.New("no VP8 key frame")
		}
		h.Width = int(binary.LittleEndian.Uint16(b[26:]) & 0x3fff)
		h.Height = int(binary.LittleEndian.Uint16(b[28:]) & 0x3fff)
	case "VP8L":
		bits := binary.LittleEndian.Uint32(b[21:])
		h.Width, h.Height = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1
	case "VP8X":
		h.Width, h.Height = int(uint24(b[24:]))+1, int(uint24(b[27:]))+1
	default:
		return h, fmt.Errorf("unknown chunk %q", b[12:16])
	}
	return h, nil
}

func uint24(b []byte) uint32 { return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 }

// maxMarkers bounds the search for a JPEG's frame header.
const maxMarkers = 1000

func readJPEG(r *io.SectionReader) (Header, error) {
	at := int64(2)
	for range maxMarkers {
		var b [9]byte
		n, err := r.ReadAt(b[:], at)
		if n < 4 {
			return Header{}, err
		}
		marker := b[1]
		switch {
		case b[0] != 0xff:
			return Header{}, errors.New("no marker where one must be")
		case marker == 0xff: // a fill byte
			at++
			continue
		case marker == 0x01 || marker >= 0xd0 && marker <= 0xd7: // without a length
			at += 2
			continue
		case isFrame(marker):
			if n < len(b) {
				return Header{}, io.ErrUnexpectedEOF
			}
			return Header{
				Type:   thumbnail.TypeJPEG,
				Height: int(binary.BigEndian.Uint16(b[5:])), Width: int(binary.BigEndian.Uint16(b[7:])),
				Progressive: marker&0x03 == 2, // SOF2, 6, 10, 14
			}, nil
		case marker == 0xda || marker == 0xd9:
			return Header{}, errors.New("a scan before the frame header")
		}
		length := int64(binary.BigEndian.Uint16(b[2:]))
		if length < 2 {
			return Header{}, errors.New("a segment without its length")
		}
		at += 2 + length
	}
	return Header{}, errors.New("too many segments before the frame header")
}

// isFrame: SOF0…15 without DHT, JPG and DAC, which lie among them.
func isFrame(marker byte) bool {
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}
