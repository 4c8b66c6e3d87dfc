package guard

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strconv"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// A tool draws the bitmaps of this file. The magic of most of these formats has two letters
// only, so the readers also refuse headers that make no sense.

// readBMP reads a BMP header of OS/2 or of any version of Windows.
func readBMP(r *io.SectionReader) (Header, bool) { return bmpHeader(head(r, bmpHead)) }

// bmpHead is the number of bytes of a BMP up to the masks of version 4.
const bmpHead = 70

// readDIB reads a BMP without the 14 bytes of its file header, as clipboards hold it. It trusts the name, because
// such a file has no magic.
func readDIB(r *io.SectionReader) (Header, bool) {
	start := append([]byte("BM"), make([]byte, 12)...)
	b := append(start, head(r, bmpHead-int64(len(start)))...)
	if len(b) < 30 || binary.LittleEndian.Uint16(b[26:]) != 1 { // planes
		return Header{}, false
	}
	return bmpHeader(b)
}

func bmpHeader(b []byte) (Header, bool) {
	n := len(b)
	b = append(b, make([]byte, bmpHead-n)...)
	size := binary.LittleEndian.Uint32(b[14:])
	if !hasAt(b, "BM") || n < 26 || !slices.Contains([]uint32{12, 16, 40, 52, 56, 64, 108, 124}, size) {
		return Header{}, false
	}
	h := Header{Type: thumbnail.TypeBMP, Whole: true}
	bits := binary.LittleEndian.Uint16(b[24:])
	if size == 12 {
		h.Width, h.Height = int(binary.LittleEndian.Uint16(b[18:])), int(binary.LittleEndian.Uint16(b[20:]))
	} else {
		h.Width, h.Height = signedSides(b[18:])
		bits = binary.LittleEndian.Uint16(b[28:])
	}
	const compression, alphaMask, alphaFields = 30, 66, 6
	masked := size >= 56 || size == 40 && binary.LittleEndian.Uint32(b[compression:]) == alphaFields
	h.Alpha = (bits == 16 || bits == 32) && masked && n >= alphaMask+4 && binary.LittleEndian.Uint32(b[alphaMask:]) != 0
	return h, true
}

// signedSides reads two sides of 32 bits each. A negative height means that the rows begin at
// the top.
func signedSides(b []byte) (width, height int) {
	width, height = int(int32(binary.LittleEndian.Uint32(b))), int(int32(binary.LittleEndian.Uint32(b[4:]))) //nolint:gosec // they are signed
	return width, max(height, -height)
}

const (
	// maxIcons bounds the pictures of an ICO.
	maxIcons = 256
	iconSize = 16
)

// readICO reads an icon or a cursor. It returns the largest picture, and among equally large
// pictures the one with the most bits per pixel.
func readICO(r *io.SectionReader) (Header, bool) {
	directory := head(r, 6+maxIcons*iconSize)
	if !hasAt(directory, "\x00\x00\x01\x00") && !hasAt(directory, "\x00\x00\x02\x00") || len(directory) < 6+iconSize {
		return Header{}, false
	}
	h := Header{Type: thumbnail.TypeICO, Whole: true, Alpha: true}
	count := min(int(binary.LittleEndian.Uint16(directory[4:])), maxIcons, (len(directory)-6)/iconSize)
	var deepest uint16
	for i := range count {
		entry := directory[6+i*iconSize:]
		width, height, bits := iconPicture(r, entry)
		if area := width * height; area > h.Width*h.Height || area == h.Width*h.Height && bits > deepest {
			h.Width, h.Height, h.Part, deepest = width, height, i, bits
		}
	}
	return h, h.Width > 0
}

// iconPicture reads the sides and the bits per pixel from the picture's own header. The bytes of the
// directory cannot tell more than 256 pixels, which the directory writes as 0, and a cursor's
// directory tells no bits.
func iconPicture(r *io.SectionReader, entry []byte) (width, height int, bits uint16) {
	from, length := int64(binary.LittleEndian.Uint32(entry[12:])), int64(binary.LittleEndian.Uint32(entry[8:]))
	picture := io.NewSectionReader(r, from, length)
	b := head(picture, 29)
	switch {
	case len(b) == 29 && hasAt(b, "\x89PNG\r\n\x1a\n"):
		h, _ := readPNG(picture)
		return h.Width, h.Height, 32
	case len(b) >= 16 && slices.Contains([]uint32{40, 52, 56, 108, 124}, binary.LittleEndian.Uint32(b)):
		width, height = signedSides(b[4:])
		return max(0, width), height / 2, binary.LittleEndian.Uint16(b[14:]) // the other half of the height is the mask
	}
	return 0, 0, 0
}

// readPNM reads the header of a netpbm format, P1 to P7, or of a PFM.
func readPNM(r *io.SectionReader) (Header, bool) {
	b := head(r, 4096)
	if len(b) < 8 || b[0] != 'P' || !bytes.ContainsRune([]byte("1234567Ff"), rune(b[1])) || !bytes.ContainsRune([]byte(" \t\r\n#"), rune(b[2])) {
		return Header{}, false
	}
	h := Header{Type: thumbnail.TypePNM, Whole: true}
	words := pnmWords(b[2:])
	if b[1] == '7' {
		named := map[string]int{}
		for i := 0; i+1 < len(words) && words[i] != "ENDHDR"; i++ {
			named[words[i]], _ = strconv.Atoi(words[i+1])
		}
		h.Width, h.Height = named["WIDTH"], named["HEIGHT"]
		h.Alpha = named["DEPTH"] == 2 || named["DEPTH"] == 4
	} else if len(words) >= 2 {
		h.Width, _ = strconv.Atoi(words[0])
		h.Height, _ = strconv.Atoi(words[1])
	}
	return h, h.Width > 0 && h.Height > 0 && max(h.Width, h.Height) < 1<<31
}

// pnmWords returns the words between white space, without comments, at most 32.
func pnmWords(b []byte) (words []string) {
	const most = 32 // no header has more words; pixels follow
	for line := range bytes.Lines(b) {
		line, _, _ = bytes.Cut(line, []byte("#"))
		for word := range bytes.FieldsSeq(line) {
			if words = append(words, string(word)); len(words) == most {
				return words
			}
		}
	}
	return words
}

// readTGA trusts the name, because the format has no magic. The header must make sense.
func readTGA(r *io.SectionReader) (Header, bool) {
	var b [18]byte
	if _, err := r.ReadAt(b[:], 0); err != nil {
		return Header{}, false
	}
	mapped, kind, depth := b[1], b[2], b[16]
	h := Header{
		Type: thumbnail.TypeTGA, Whole: true, Alpha: b[17]&0x0f != 0,
		Width: int(binary.LittleEndian.Uint16(b[12:])), Height: int(binary.LittleEndian.Uint16(b[14:])),
	}
	known := slices.Contains([]byte{1, 2, 3, 9, 10, 11}, kind) && slices.Contains([]byte{8, 15, 16, 24, 32}, depth)
	return h, known && (kind&7 != 1 || mapped == 1) && h.Width > 0 && h.Height > 0
}
