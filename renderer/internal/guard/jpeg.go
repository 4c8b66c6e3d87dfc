package guard

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// maxMarkers bounds the search for a JPEG's frame header.
const maxMarkers = 1000

// readJPEG walks the segments up to the frame header, and takes the orientation
// of an Exif segment on the way.
func readJPEG(r *io.SectionReader) (Header, error) {
	h := Header{Type: thumbnail.TypeJPEG}
	at := int64(2)
	for range maxMarkers {
		var b [9]byte
		n, err := r.ReadAt(b[:], at)
		if n < 4 {
			return h, err
		}
		marker := b[1]
		switch {
		case b[0] != 0xff:
			return h, errors.New("no marker where one must be")
		case marker == 0xff: // a fill byte
			at++
			continue
		case marker == 0x01 || marker >= 0xd0 && marker <= 0xd7: // without a length
			at += 2
			continue
		case isFrame(marker):
			if n < len(b) {
				return h, io.ErrUnexpectedEOF
			}
			h.Height, h.Width = int(binary.BigEndian.Uint16(b[5:])), int(binary.BigEndian.Uint16(b[7:]))
			h.Progressive = marker&0x03 == 2 // SOF2, 6, 10, 14
			return h, nil
		case marker == 0xda || marker == 0xd9:
			return h, errors.New("a scan before the frame header")
		}
		length := int64(binary.BigEndian.Uint16(b[2:]))
		if length < 2 {
			return h, errors.New("a segment without its length")
		}
		if marker == 0xe1 && h.Orientation == 0 {
			h.Orientation = exifOrientation(io.NewSectionReader(r, at+4, length-2))
		}
		at += 2 + length
	}
	return h, errors.New("too many segments before the frame header")
}

// isFrame: SOF0…15 without DHT, JPG and DAC, which lie among them.
func isFrame(marker byte) bool {
	return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
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
