// Package bmp decodes Windows and OS/2 bitmaps (BMP) row by row.
//
// ImageMagick 6 refuses a tenth of the files in public test suites, among them files that browsers show.
// The format is Microsoft's (learn.microsoft.com, "Bitmap storage"), with OS/2's older headers. Where
// files break it, the decoder does as browsers do: a colour beyond the palette is black, alpha that is
// zero everywhere means nothing, and fields that change no pixel are not checked.
package bmp

import (
	"encoding/binary"
	"io"
	"slices"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Values of the field "compression".
const (
	plain      = 0
	rle8       = 1
	rle4       = 2
	bitFields  = 3
	rle24      = 4 // of OS/2; a JPEG elsewhere
	alphaField = 6
)

const (
	magic      = "BM"
	fileHeader = 14 // bytes of the header with the magic; bitmaps of clipboards lack it
	oldHeader  = 12 // bytes of the header of OS/2 1.x
	maxHeader  = 124
	maxColours = 256
	// maxProfile is the largest ICC profile that is read, in bytes.
	maxProfile = 4 << 20
)

// Picture is an opened bitmap.
type Picture struct {
	Width, Height int
	// Alpha says that the pixels have an alpha channel that is not zero everywhere.
	Alpha bool
	// Profile is the embedded ICC profile, or nil.
	Profile []byte

	in          io.ReaderAt
	start       int // bytes before the header that says its own size
	bits        int // of a pixel: 1, 2, 4, 8, 16, 24 or 32
	compression uint32
	downwards   bool  // the first row of the file is the highest
	at          int64 // offset of the pixels
	palette     [maxColours][3]byte
	masks       [4]mask // red, green, blue, alpha
	painted     []byte  // three bytes a pixel, from the lowest row on; nil without run lengths
}

// Open reads the header, the palette and pixels with run lengths. Errors are faults: Undecodable for a file
// that breaks the format or uses a part of it that is not drawn, TooLarge above maxPixels.
func Open(in io.ReaderAt, size, maxPixels int64) (*Picture, error) {
	var head [fileHeader + maxHeader]byte
	n, err := in.ReadAt(head[:], 0)
	if err != nil && err != io.EOF { //nolint:errorlint // io.ReaderAt returns it as it is
		return nil, fault.Wrap(err, fault.Internal, "the original could not be read back")
	}
	p := &Picture{in: in}
	if string(head[:2]) == magic {
		p.start, p.at = fileHeader, int64(binary.LittleEndian.Uint32(head[10:]))
	}
	b := header{head[p.start:max(n, p.start)]}
	p.readSides(b)
	if p.Width < 1 || p.Height < 1 {
		return nil, fault.New(fault.Undecodable, "the bitmap declares %d × %d pixels", p.Width, p.Height)
	}
	if int64(p.Width)*int64(p.Height) > maxPixels {
		return nil, fault.New(fault.TooLarge, "the original has %d × %d pixels; at most %d pixels are allowed", p.Width, p.Height, maxPixels)
	}
	if err := p.readPixels(b, size); err != nil {
		return nil, err
	}
	p.Profile = p.readProfile(b)
	return p, nil
}

// header is the header behind the file's own, with as many bytes as the file has.
type header struct{ all []byte }

// size returns the bytes that the header says it has.
func (b header) size() int { return int(b.u32(0)) }

// u32 returns a field, or 0 behind the header's end.
func (b header) u32(at int) uint32 {
	if at+4 > len(b.all) || at > 0 && at+4 > int(binary.LittleEndian.Uint32(b.all)) {
		return 0
	}
	return binary.LittleEndian.Uint32(b.all[at:])
}

func (b header) u16(at int) uint16 { return uint16(b.u32(at-at%4) >> (8 * (at % 4))) } //nolint:gosec // half of it

func (p *Picture) readSides(b header) {
	if b.size() == oldHeader {
		p.Width, p.Height, p.bits = int(b.u16(4)), int(b.u16(6)), int(b.u16(10))
		return
	}
	p.Width, p.Height, p.bits = int(int32(b.u32(4))), int(int32(b.u32(8))), int(b.u16(14)) //nolint:gosec // they are signed
	p.compression = b.u32(16)
	if p.Height < 0 {
		p.Height, p.downwards = -p.Height, true
	}
}

// readPixels finds the pixels, and reads all that is needed to draw them.
func (p *Picture) readPixels(b header, size int64) error {
	if err := p.checkKind(b); err != nil {
		return err
	}
	behind := int64(p.start + b.size())
	if b.size() == 40 && p.compression == bitFields {
		behind += 12
	} else if b.size() == 40 && p.compression == alphaField {
		behind += 16
	}
	p.setMasks(b)
	if p.at == 0 || p.namesPalette(b, behind, size) {
		p.at = behind + p.paletteBytes(b)
	}
	p.readPalette(b, behind)
	if p.at < behind || p.at >= size {
		return fault.New(fault.Undecodable, "the bitmap has no pixels at %d, which its header names", p.at)
	}
	if p.compression == rle4 || p.compression == rle8 || p.compression == rle24 {
		return p.paint(size)
	}
	if need := p.at + p.stride()*int64(p.Height); need-p.stride()+p.rowBytes() > size {
		return fault.New(fault.Undecodable, "the bitmap ends after %d bytes of %d", size, need)
	}
	return p.lookForAlpha()
}

// checkKind returns a fault for a kind of pixels that is not drawn.
func (p *Picture) checkKind(b header) error {
	allowed := map[uint32][]int{
		plain: {1, 2, 4, 8, 16, 24, 32}, rle8: {8}, rle4: {4}, bitFields: {16, 32}, alphaField: {16, 32},
	}
	if b.size() < 40 || b.size() == 64 { // OS/2
		allowed = map[uint32][]int{plain: {1, 2, 4, 8, 24}, rle8: {8}, rle4: {4}, rle24: {24}}
	}
	if slices.Contains(allowed[p.compression], p.bits) {
		return nil
	}
	return fault.New(fault.Undecodable, "bitmaps of %d bits a pixel with compression %d are not drawn", p.bits, p.compression)
}

// namesPalette reports whether the file's header names the palette instead of the pixels, as some programs write it.
func (p *Picture) namesPalette(b header, behind, size int64) bool {
	end := behind + p.paletteBytes(b) + p.stride()*int64(p.Height)
	return p.bits <= 8 && p.compression == plain && p.at == behind && end <= size
}

// paletteBytes returns the size of the palette that the header declares. Pixels of more than 8 bits can have one too,
// for screens of few colours.
func (p *Picture) paletteBytes(b header) int64 {
	colours := int64(min(b.u32(32), maxColours))
	if p.bits <= 8 && (colours == 0 || colours > 1<<p.bits) {
		colours = 1 << p.bits
	}
	return colours * entryBytes(b)
}

// entryBytes returns the size of a colour of the palette.
func entryBytes(b header) int64 {
	if b.size() == oldHeader {
		return 3
	}
	return 4
}

func (p *Picture) readPalette(b header, at int64) {
	if p.bits > 8 {
		return
	}
	entry := entryBytes(b)
	colours := int(max(0, min(p.paletteBytes(b), p.at-at)/entry)) // some files have fewer than they say
	text := make([]byte, int64(colours)*entry)
	n, _ := p.in.ReadAt(text, at) // missing colours are black
	for i := range n / int(entry) {
		c := text[i*int(entry):]
		p.palette[i] = [3]byte{c[2], c[1], c[0]}
	}
}

// readProfile returns the ICC profile of a version 5 header, or nil.
func (p *Picture) readProfile(b header) []byte {
	const embedded = 0x4D424544 // "MBED"
	length := b.u32(116)
	if b.size() < maxHeader || b.u32(56) != embedded || length < 128 || length > maxProfile {
		return nil
	}
	profile := make([]byte, length)
	if _, err := p.in.ReadAt(profile, int64(p.start)+int64(b.u32(112))); err != nil {
		return nil
	}
	return profile
}
