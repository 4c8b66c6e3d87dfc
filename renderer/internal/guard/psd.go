package guard

import (
	"encoding/binary"
	"io"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// These modes of a PSD have inks.
const (
	psdInks  = 4 // CMYK
	psdSpots = 7 // multichannel: the first three channels are cyan, magenta and yellow
)

// readPSD reads the header of a PSD, or of a PSB, Photoshop's format for large documents.
func readPSD(r *io.SectionReader) (Header, error) {
	var b [26]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return Header{}, err
	}
	mode, channels := binary.BigEndian.Uint16(b[24:]), binary.BigEndian.Uint16(b[12:])
	if mode == psdSpots && channels < 3 {
		return Header{}, fault.New(fault.Unsupported, "the original is a Photoshop file of %d spot colours; no engine reads such files with less than 3", channels)
	}
	colours, known := map[uint16]uint16{0: 1, 1: 1, 2: 1, 3: 3, psdInks: 4, psdSpots: channels, 8: 1, 9: 3}[mode]
	if !known {
		return Header{}, fault.New(fault.Unsupported, "the original is a Photoshop file of the colour mode %d; no engine reads such files", mode)
	}
	large := binary.BigEndian.Uint16(b[4:]) == 2
	return Header{
		Type: thumbnail.TypePSD, Whole: true, Alpha: channels > colours && psdTransparent(r, large), Inks: mode == psdInks, Indexed: mode == 2,
		Width: side(binary.BigEndian.Uint32(b[18:])), Height: side(binary.BigEndian.Uint32(b[14:])),
	}, nil
}

// psdTransparent reports whether the channel behind the colours is the transparency of the composed picture: the file
// has a negative number of layers, the block of merged transparency, or no layers at all. Other files keep a selection
// in that channel (Adobe Photoshop File Formats Specification, 2019, "Layer info").
func psdTransparent(r *io.SectionReader, large bool) bool {
	at := int64(26)
	for range 2 { // the palette and the resources
		length, _ := psdLength(r, at, 4)
		at += 4 + length
	}
	size := int64(4)
	if large {
		size = 8
	}
	section, ok := psdLength(r, at, size)
	if !ok || section == 0 {
		return true
	}
	end := min(at+size+section, r.Size())
	at += size
	layers, _ := psdLength(r, at, size)
	if layers > 0 {
		count, _ := psdLength(r, at+size, 2)
		return count >= 1<<15
	}
	mask, _ := psdLength(r, at+size, 4)
	return psdMerged(r, at+size+4+mask, end)
}

// psdMerged looks for the block of merged transparency among the blocks behind the layers, at most maxMarkers.
func psdMerged(r *io.SectionReader, at, end int64) bool {
	for range maxMarkers {
		var b [12]byte
		if _, err := r.ReadAt(b[:], at); err != nil || at >= end || !strings.HasPrefix(string(b[:]), "8B") {
			return false
		}
		if key := string(b[4:8]); key == "Mtrn" || key == "Mt16" || key == "Mt32" {
			return true
		}
		at += 12 + (int64(binary.BigEndian.Uint32(b[8:]))+3)/4*4
	}
	return false
}

// psdLength reads a number of 2, 4 or 8 bytes, at most 1<<48. It returns 0 and false behind the end.
func psdLength(r *io.SectionReader, at, size int64) (int64, bool) {
	var b [8]byte
	if _, err := r.ReadAt(b[8-size:], at); err != nil {
		return 0, false
	}
	return int64(min(binary.BigEndian.Uint64(b[:]), 1<<48)), true
}
