package vips

// #include <stdlib.h>
// #include "pack.h"
import "C"

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"unsafe"
)

// raw is a picture of 8 bits a sample, its rows without gaps.
type raw struct {
	width, height int
	bands         int // 1 grey, 2 with alpha, 3 colours, 4 with alpha
	pixels        []byte
}

// Levels of libdeflate. The quick one is within a hundredth of the patient one for photographs; in
// smooth pictures and drawings the patient one finds a fifth more.
const (
	quickly   = 6
	patiently = 9
)

// smooth is the part of its bytes to which a filtered picture is compressed at most if it can be
// smaller without filters, as drawings and synthetic gradients are. Photographs do not come near.
const smooth = 0.25

// packPNG returns a PNG with a palette where the colours fit in one.
func packPNG(m raw) ([]byte, error) {
	m = m.withoutNeedlessAlpha()
	if indexed := m.indexed(); indexed != nil {
		data, err := deflate(patiently, indexed.rows())
		return indexed.file(data), err
	}
	data, err := m.compressed()
	kind := map[int]byte{1: 0, 2: 4, 3: 2, 4: 6}[m.bands]
	return pngFile(m.width, m.height, 8, kind, data), err
}

// withoutNeedlessAlpha drops alpha that is opaque everywhere.
func (m raw) withoutNeedlessAlpha() raw {
	if m.bands != 2 && m.bands != 4 {
		return m
	}
	for at := m.bands - 1; at < len(m.pixels); at += m.bands {
		if m.pixels[at] != 255 {
			return m
		}
	}
	colours := m.bands - 1
	kept := make([]byte, m.width*m.height*colours)
	for from, to := 0, 0; to < len(kept); from, to = from+m.bands, to+colours {
		for i := range colours {
			kept[to+i] = m.pixels[from+i]
		}
	}
	return raw{width: m.width, height: m.height, bands: colours, pixels: kept}
}

// compressed is the smaller of the pictures with and without filters.
func (m raw) compressed() ([]byte, error) {
	rows, err := m.filtered(true)
	if err != nil {
		return nil, err
	}
	defer rows.free()
	data, err := deflate(quickly, rows)
	if err != nil || float64(len(data)) > smooth*float64(len(rows)) {
		return data, err
	}
	plain, err := m.filtered(false)
	if err != nil {
		return nil, err
	}
	defer plain.free()
	unfiltered, err := deflate(quickly, plain)
	if err != nil {
		return nil, err
	}
	if len(unfiltered) < len(data) {
		data, rows = unfiltered, plain
	}
	if m.width*m.height > patient {
		return data, nil
	}
	return deflate(patiently, rows)
}

// scratch is C's memory: Go's would be collected every few pictures, and a collection looks at all of this process' data.
type scratch []byte

func newScratch(length int) (scratch, error) {
	p := C.realloc(nil, C.size_t(length)) // C.malloc ends the process instead of returning nil
	if p == nil {
		return nil, errNoMemory
	}
	return unsafe.Slice((*byte)(p), length), nil
}

func (s scratch) free() { C.free(unsafe.Pointer(unsafe.SliceData(s))) }

// filtered are the rows, each after the number of its filter. The caller frees them.
func (m raw) filtered(adaptive bool) (scratch, error) {
	length := m.width * m.bands
	rows, err := newScratch((length + 1) * m.height)
	if err != nil {
		return nil, err
	}
	if C.tm_png_filter((*C.uchar)(&m.pixels[0]), C.size_t(length), C.int(m.height), C.int(m.bands), cBool(adaptive), (*C.uchar)(&rows[0])) != 0 {
		rows.free()
		return nil, errNoMemory
	}
	return rows, nil
}

// deflate compresses as a zlib stream.
func deflate(level int, in []byte) ([]byte, error) {
	out, err := newScratch(int(C.tm_deflate_bound(C.size_t(len(in)))))
	if err != nil {
		return nil, err
	}
	defer out.free()
	n := C.tm_deflate(C.int(level), (*C.uchar)(unsafe.SliceData(in)), C.size_t(len(in)), (*C.uchar)(&out[0]), C.size_t(len(out)))
	if n == 0 {
		return nil, errNoMemory
	}
	return bytes.Clone(out[:n]), nil
}

// pngFile puts a file together: further chunks stand before the pixels.
func pngFile(width, height, depth int, kind byte, data []byte, further ...[]byte) []byte {
	header := binary.BigEndian.AppendUint32(nil, uint32(width))    //nolint:gosec // at most the format's longest side
	header = binary.BigEndian.AppendUint32(header, uint32(height)) //nolint:gosec // as above
	header = append(header, byte(depth), kind, 0, 0, 0)            //nolint:gosec // 1 to 8
	file := append(make([]byte, 0, len(data)+1200), "\x89PNG\r\n\x1a\n"...)
	file = append(file, chunk("IHDR", header)...)
	for _, c := range further {
		file = append(file, c...)
	}
	file = binary.BigEndian.AppendUint32(file, uint32(len(data))) //nolint:gosec // of a picture in memory, below 2³¹
	at := len(file)
	file = append(append(file, "IDAT"...), data...)
	file = binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(file[at:]))
	return append(file, chunk("IEND", nil)...)
}

func chunk(name string, data []byte) []byte {
	c := binary.BigEndian.AppendUint32(nil, uint32(len(data))) //nolint:gosec // a kilobyte at most
	c = append(append(c, name...), data...)
	return binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
}
