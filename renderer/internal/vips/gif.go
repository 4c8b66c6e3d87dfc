package vips

// #include "vips.h"
import "C"

import (
	"compress/lzw"
	"io"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// openPages opens the original with libvips' options. It first changes a GIF with transparent parts in
// memory. If a file names no transparent colour, libvips fills such parts with the background's colour or
// with black.
func (r *render) openPages(options string, anyOrder bool) (picture, error) {
	if r.header.Type != thumbnail.TypeGIF || !r.header.Alpha {
		return open(r.fd, options, anyOrder)
	}
	if r.changed == nil {
		if err := r.changeGIF(); err != nil {
			return picture{}, err
		}
	}
	text := C.CString(options)
	defer C.free(unsafe.Pointer(text))
	return step(func(out **C.VipsImage) C.int {
		return C.tm_open_memory(unsafe.Pointer(unsafe.SliceData(r.changed)), C.size_t(len(r.changed)), text, cBool(anyOrder), out)
	})
}

func (r *render) changeGIF() error {
	var info unix.Stat_t
	if err := unix.Fstat(r.fd, &info); err != nil {
		return err
	}
	body, err := unix.Mmap(-1, 0, int(info.Size)+len(clearFrame), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	r.changed = body
	for at := 0; at < int(info.Size); {
		n, err := unix.Pread(r.fd, body[at:info.Size], int64(at))
		if err != nil || n == 0 {
			return err
		}
		at += n
	}
	markTransparent(body, int(info.Size))
	return nil
}

// clearFrame is a frame of one transparent pixel, and the end of the file. With this frame libvips keeps
// the transparent parts of all other frames.
const clearFrame = "\x21\xf9\x04\x01\x00\x00\x00\x00" + "\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00" +
	"\x02\x02\x44\x01\x00" + "\x3b"

// markTransparent gives each frame with a control extension a transparent colour, if it has none: a colour that no
// pixel of the frame uses. libvips then clears the frame to transparent.
// It puts clearFrame behind the last frame. body must have room for clearFrame behind its first size bytes.
func markTransparent(body []byte, size int) {
	const header = 13
	if size < header {
		return
	}
	control, at := 0, header+colours(body[10])
	for at+11 <= size {
		switch {
		case body[at] == 0x21:
			if body[at+1] == 0xf9 && body[at+2] == 4 {
				control = at + 3
			}
			at = skipBlocks(body[:size], at+2)
		case body[at] == 0x2c:
			data := at + 10 + colours(body[at+9])
			if data < size && control > 0 && body[control]&1 == 0 {
				if c := unused(body[data:size]); c >= 0 {
					body[control] |= 1
					body[control+3] = byte(c)
				}
			}
			control, at = 0, skipBlocks(body[:size], data+1)
		default:
			copy(body[at:], clearFrame)
			return
		}
	}
	copy(body[min(at, size):], clearFrame)
}

// unused returns a colour that no pixel of a frame uses, or -1 for a frame of 256 colours. data begins with the frame's
// code size.
func unused(data []byte) int {
	const fewer = 255 // no pixel of up to 128 colours
	if data[0] < 8 {
		return fewer
	}
	if data[0] > 8 {
		return -1
	}
	pixels := lzw.NewReader(&blocks{rest: data[1:]}, lzw.LSB, 8)
	defer func() { _ = pixels.Close() }()
	var used [256]bool
	var some [4096]byte
	for {
		n, err := pixels.Read(some[:])
		for _, c := range some[:n] {
			used[c] = true
		}
		if err != nil {
			return slices.Index(used[:], false)
		}
	}
}

// blocks reads the data in a GIF's blocks, up to the empty block.
type blocks struct {
	rest []byte
	left int // of the current block
}

func (b *blocks) ReadByte() (byte, error) {
	if b.left == 0 && len(b.rest) > 0 {
		b.left, b.rest = int(b.rest[0]), b.rest[1:]
	}
	if b.left == 0 || len(b.rest) == 0 {
		return 0, io.EOF
	}
	c := b.rest[0]
	b.left, b.rest = b.left-1, b.rest[1:]
	return c, nil
}

func (b *blocks) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c, err := b.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = c
	return 1, nil
}

// colours returns the length of a colour table in bytes, or 0 if the flags name no table.
func colours(flags byte) int {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

func skipBlocks(body []byte, at int) int {
	for at < len(body) && body[at] != 0 {
		at += 1 + int(body[at])
	}
	return at + 1
}
