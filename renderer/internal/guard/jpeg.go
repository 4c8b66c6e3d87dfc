package guard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// maxMarkers bounds the search for a JPEG's frame header, in segments.
	maxMarkers = 1000
	// maxStray bounds the stray bytes between segments.
	maxStray = 1 << 20
)

// readJPEG walks the segments up to the frame header, and reads the orientation of an Exif
// segment on the way.
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
			return h, errors.New("the JPEG has a scan before the frame header")
		case marker == 0xde: // DHP
			return h, fault.New(fault.Unsupported, "the original is a hierarchical JPEG; no engine reads such JPEGs")
		case marker == 0xe1 && h.Orientation == 0:
			h.Orientation = exifOrientation(content)
		}
	}
	return h, fmt.Errorf("the JPEG has more than %d segments before the frame header", maxMarkers)
}

// segments walks through the segments of a JPEG. It skips bytes between two segments up to the
// next marker, as libjpeg does.
type segments struct {
	r     *io.SectionReader
	at    int64
	stray int // stray bytes that the walk may still skip
}

// next returns the marker of the next segment, and its content without the length.
func (s *segments) next() (byte, *io.SectionReader, error) {
	for {
		marker, err := s.marker()
		if err != nil {
			return 0, nil, err
		}
		if marker == 0x01 || marker >= 0xd0 && marker <= 0xd8 { // these markers have no length
			continue
		}
		var b [2]byte
		if n, err := s.r.ReadAt(b[:], s.at); n < len(b) {
			return 0, nil, errors.Join(io.ErrUnexpectedEOF, err)
		}
		length := int64(binary.BigEndian.Uint16(b[:]))
		if length < 2 {
			return 0, nil, fmt.Errorf("a segment of the JPEG has the length %d: the least is 2", length)
		}
		content := io.NewSectionReader(s.r, s.at+2, length-2)
		s.at += length
		return marker, content, nil
	}
}

// marker returns the next marker: a byte behind 0xff that is neither a fill byte nor the zero
// behind a 0xff of coded data.
func (s *segments) marker() (byte, error) {
	var b [256]byte // stray bytes are rare
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
	return 0, fmt.Errorf("the JPEG has more than %d bytes without a marker", maxStray)
}

// isFrame reports whether the marker is SOF0 to SOF15; DHT, JPG and DAC lie among these.
func isFrame(marker byte) bool {
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}

// readFrame reads the frame header. The marker tells the coding process (ITU-T T.81, table
// B.1). libjpeg-turbo reads Huffman and arithmetic coding of 8 bits.
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
		return h, fault.New(fault.Unsupported, "the original is a lossless JPEG in arithmetic or differential coding; no engine reads such JPEGs")
	case marker&0x07 >= 5: // SOF5…7, 13…15
		return h, fault.New(fault.Unsupported, "the original is a JPEG in differential coding; no engine reads such JPEGs")
	case bits != 8:
		return h, fault.New(fault.Unsupported, "the original is a JPEG of %d bits per sample; only JPEGs of 8 bits per sample are allowed", bits)
	}
	return h, nil
}

// exifOrientation returns the orientation of an APP1 segment, 1 to 8, or 0 if the segment is
// not Exif or has no orientation.
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
