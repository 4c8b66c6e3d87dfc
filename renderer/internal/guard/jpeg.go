package guard

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// maxMarkers bounds the search for a JPEG's frame header.
	maxMarkers = 1000
	// maxStray bounds the bytes between segments that belong to none.
	maxStray = 1 << 20
)

// readJPEG walks the segments up to the frame header, and takes the orientation
// of an Exif segment on the way.
func readJPEG(r *io.SectionReader) (Header, error) {
	h := Header{Type: thumbnail.TypeJPEG}
	s := segments{r: r, at: 2, stray: maxStray}
	for range maxMarkers {
		marker, content, err := s.next()
		switch {
		case err != nil:
			return h, err
		case isFrame(marker):
			return readFrame(h, marker, content)
		case marker == 0xda || marker == 0xd9:
			return h, errors.New("a scan before the frame header")
		case marker == 0xde: // DHP
			return h, fault.New(fault.Unsupported, "the original is a hierarchical JPEG, which no engine here reads")
		case marker == 0xe1 && h.Orientation == 0:
			h.Orientation = exifOrientation(content)
		}
	}
	return h, errors.New("too many segments before the frame header")
}

// segments walks through those of a JPEG. Bytes between two of them are passed
// over up to the next marker, as libjpeg does.
type segments struct {
	r     *io.SectionReader
	at    int64
	stray int // bytes that may still be passed over
}

// next gives a segment's marker and its content, behind the length.
func (s *segments) next() (byte, *io.SectionReader, error) {
	for {
		marker, err := s.marker()
		if err != nil {
			return 0, nil, err
		}
		if marker == 0x01 || marker >= 0xd0 && marker <= 0xd8 { // without a length
			continue
		}
		var b [2]byte
		if n, err := s.r.ReadAt(b[:], s.at); n < len(b) {
			return 0, nil, errors.Join(io.ErrUnexpectedEOF, err)
		}
		length := int64(binary.BigEndian.Uint16(b[:]))
		if length < 2 {
			return 0, nil, errors.New("a segment without its length")
		}
		content := io.NewSectionReader(s.r, s.at+2, length-2)
		s.at += length
		return marker, content, nil
	}
}

// marker finds the next one: what follows 0xff, and is neither a fill byte nor the
// zero behind a 0xff of coded data.
func (s *segments) marker() (byte, error) {
	var b [256]byte // bytes outside of segments are rare
	var last byte
	for s.stray > 0 {
		n, err := s.r.ReadAt(b[:], s.at)
		if n == 0 {
			return 0, errors.Join(io.ErrUnexpectedEOF, err)
		}
		for i, c := range b[:n] {
			if last == 0xff && c != 0xff && c != 0 {
				s.at += int64(i) + 1
				return c, nil
			}
			last = c
		}
		s.at += int64(n)
		s.stray -= n
	}
	return 0, errors.New("no marker where one must be")
}

// isFrame: SOF0…15 without DHT, JPG and DAC, which lie among them.
func isFrame(marker byte) bool {
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}

// readFrame reads the frame header, which also tells the coding process (ITU-T T.81,
// table B.1). libjpeg-turbo reads Huffman and arithmetic coding of 8 bits.
func readFrame(h Header, marker byte, content *io.SectionReader) (Header, error) {
	var b [5]byte
	if n, err := content.ReadAt(b[:], 0); n < len(b) {
		return h, errors.Join(io.ErrUnexpectedEOF, err)
	}
	bits := b[0]
	h.Height, h.Width = int(binary.BigEndian.Uint16(b[1:])), int(binary.BigEndian.Uint16(b[3:]))
	h.Progressive = marker&0x03 == 2 // SOF2, 6, 10, 14
	switch {
	case marker == 0xc3:
		h.ByTool, h.Whole = true, true
	case marker&0x03 == 3:
		return h, fault.New(fault.Unsupported, "the original is a lossless JPEG in arithmetic or differential coding, which no engine here reads")
	case marker&0x07 >= 5: // SOF5…7, 13…15
		return h, fault.New(fault.Unsupported, "the original is a JPEG in differential coding, which no engine here reads")
	case bits != 8:
		return h, fault.New(fault.Unsupported, "the original is a JPEG of %d bits a sample; JPEGs of 8 bits are rendered", bits)
	}
	return h, nil
}

// exifOrientation gives 0 when an APP1 segment is no Exif or tells none.
func exifOrientation(segment *io.SectionReader) int {
	var magic [6]byte
	if _, err := segment.ReadAt(magic[:], 0); err != nil || string(magic[:]) != "Exif\x00\x00" {
		return 0
	}
	t, first, err := openTIFF(io.NewSectionReader(segment, 6, segment.Size()-6))
	if err != nil {
		return 0
	}
	page, _, err := t.directory(first)
	if err != nil || page.orientation < 1 || page.orientation > 8 {
		return 0
	}
	return page.orientation
}
