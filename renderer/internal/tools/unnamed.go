package tools

import (
	"encoding/binary"
	"io"
	"os"
	"slices"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// namedTIFF is the copy of a TIFF that says what its samples mean, in the folder where tools write.
const namedTIFF = "named.tif"

// nameSamples writes a copy of a TIFF whose first page says what its samples mean. The new directory is behind the
// old file's end.
func (t *task) nameSamples() error {
	info, err := t.request.Original.Stat()
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot read the original from the renderer's disk")
	}
	pointer, directory, err := namedDirectory(t.request.Original, info.Size(), int64(t.request.Header.Unnamed-1))
	if err != nil {
		return fault.Wrap(err, fault.Undecodable, "the original is damaged: cannot read its directory")
	}
	out, err := os.Create(namedTIFF)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write a copy of the original")
	}
	defer func() { _ = out.Close() }()
	_, err = io.Copy(out, io.NewSectionReader(t.request.Original, 0, info.Size()))
	for at, b := range map[int64][]byte{info.Size() + info.Size()%2: directory, pointerAt(pointer): pointer} {
		if err == nil {
			_, err = out.WriteAt(b, at)
		}
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write a copy of the original")
	}
	return nil
}

// pointerAt returns the offset of the pointer to the first directory.
func pointerAt(pointer []byte) int64 { return int64(len(pointer)) }

const tagPhotometric = 262

// layout is the layout of a classic or a big TIFF.
type layout struct {
	order                 binary.ByteOrder
	count, field, pointer int // bytes of a directory's count, of a field, and of a pointer
}

// namedDirectory returns the first directory of a TIFF of size bytes with a photometric interpretation, and the pointer
// to its place behind the file.
func namedDirectory(in io.ReaderAt, size int64, photometric int64) (pointer, directory []byte, err error) {
	var head [16]byte
	if _, err := in.ReadAt(head[:], 0); err != nil {
		return nil, nil, err
	}
	l := layout{binary.LittleEndian, 2, 12, 4}
	if head[0] == 'M' {
		l.order = binary.BigEndian
	}
	if l.order.Uint16(head[2:]) == 43 {
		l.count, l.field, l.pointer = 8, 20, 8
	}
	at := l.number(head[l.pointer:], l.pointer)
	count := make([]byte, l.count)
	if _, err := in.ReadAt(count, at); err != nil {
		return nil, nil, err
	}
	const mostFields = 4096 // guard allows no more
	fields := int(min(l.number(count, l.count), mostFields))
	old := make([]byte, fields*l.field+l.pointer) // with the pointer to the next directory
	if _, err := in.ReadAt(old, at+int64(l.count)); err != nil {
		return nil, nil, err
	}
	place := 0
	for place < fields && int64(l.order.Uint16(old[place*l.field:])) < tagPhotometric {
		place++
	}
	all := slices.Insert(old, place*l.field, l.short(tagPhotometric, photometric)...)
	return l.bytes(size+size%2, l.pointer), slices.Concat(l.bytes(int64(fields)+1, l.count), all), nil
}

// short returns a field with one SHORT.
func (l layout) short(tag, value int64) []byte {
	const kindShort = 3
	kind, count := l.bytes(kindShort, 2), l.bytes(1, l.field-l.pointer-4)
	return slices.Concat(l.bytes(tag, 2), kind, count, l.bytes(value, 2), make([]byte, l.pointer-2))
}

// number reads a number of 2, 4 or 8 bytes, at most 1<<62.
func (l layout) number(b []byte, size int) int64 {
	switch size {
	case 2:
		return int64(l.order.Uint16(b))
	case 4:
		return int64(l.order.Uint32(b))
	}
	return int64(min(l.order.Uint64(b), 1<<62))
}

// bytes writes a number in 2, 4 or 8 bytes.
func (l layout) bytes(n int64, size int) []byte {
	all := make([]byte, 8)
	l.order.PutUint64(all, uint64(n)) //nolint:gosec // never negative
	if l.order == binary.BigEndian {
		return all[8-size:]
	}
	return all[:size]
}
