package psd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/thumbmill/thumbmill/shared/fault"
)

var errPacking = errors.New("its composed picture is packed in an unknown way")

// reader reads the file from its start. Its first error stays.
type reader struct {
	in       io.ReaderAt
	at, size int64
	err      error
}

func (r *reader) fault() error {
	return fault.Wrap(errors.Join(r.err), fault.Undecodable, "the Photoshop file is damaged")
}

// take returns the next n bytes, or nil behind the end of the file.
func (r *reader) take(n int64) []byte {
	if r.err == nil && n > r.size-r.at {
		r.err = io.ErrUnexpectedEOF
	}
	if r.err != nil {
		return nil
	}
	b := make([]byte, n)
	_, r.err = r.in.ReadAt(b, r.at)
	if errors.Is(r.err, io.EOF) {
		r.err = nil // the bytes end with the file
	}
	r.at += n
	return b
}

// length reads a number of 4 or 8 bytes, at most 1<<48. It returns 0 after an error.
func (r *reader) length(size int64) int64 {
	b := r.take(size)
	if b == nil {
		return 0
	}
	return int64(min(binary.BigEndian.Uint64(append(make([]byte, 8-size), b...)), 1<<48))
}

// section returns the next section, which has its length before it, or at most its first bytes.
func (r *reader) section(most int64) []byte {
	length := r.length(4)
	b := r.take(min(length, most))
	r.skip(max(0, length-most))
	return b
}

// skip goes on behind n bytes, and returns n.
func (r *reader) skip(n int64) int64 {
	r.at += n
	return n
}

// profile returns the ICC profile among the image resources, or nil.
func profile(resources []byte) []byte {
	const id, name = 1039, 6
	for b := resources; len(b) > name && bytes.HasPrefix(b, []byte("8B")); {
		at := name + (int(b[name])+2)/2*2 // a name has its length before it, together an even number of bytes
		if len(b) < at+4 {
			return nil
		}
		length := int64(binary.BigEndian.Uint32(b[at:]))
		rest := b[at+4:]
		if length > int64(len(rest)) {
			return nil
		}
		if binary.BigEndian.Uint16(b[4:]) == id && length <= maxProfile {
			return rest[:length]
		}
		b = rest[min(int64(len(rest)), (length+1)/2*2):]
	}
	return nil
}

// maxPacked bounds a packed row, as a multiple of the row: packing adds a byte to every 128 bytes at most, and useless
// marks.
const maxPacked = 3

// samples returns the stored row of a channel, unpacked. Missing bytes are 0xff.
func (p *Picture) samples(channel, y int) []byte {
	row := channel*p.Height + y
	out := bytes.Repeat([]byte{0xff}, p.rowBytes())
	if p.ends == nil {
		_, _ = p.in.ReadAt(out, p.pixels+int64(row)*int64(p.rowBytes())) // a short file keeps the missing bytes
		return out
	}
	from := int64(0)
	if row > 0 {
		from = p.ends[row-1]
	}
	packed := make([]byte, min(p.ends[row]-from, maxPacked*int64(p.rowBytes()+1)))
	n, _ := p.in.ReadAt(packed, p.pixels+from)
	unpack(out, packed[:n])
	return out
}

// unpack unpacks bytes by PackBits (TIFF 6.0, section 9) as far as out has room.
func unpack(out, b []byte) {
	for len(b) > 1 && len(out) > 0 {
		switch n := int(int8(b[0])); { //nolint:gosec // it is signed
		case n >= 0:
			copied := copy(out, b[1:min(n+2, len(b))])
			out, b = out[copied:], b[min(n+2, len(b)):]
		case n > -128:
			count := min(1-n, len(out))
			for i := range count {
				out[i] = b[1]
			}
			out, b = out[count:], b[2:]
		default:
			b = b[1:]
		}
	}
}
