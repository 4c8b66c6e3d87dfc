package xcf

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

var errDamaged = errors.New("the XCF points outside the file: the file is cut or damaged")

// cursor reads forward from one offset of the file. It keeps the first error, and returns zeros after it.
type cursor struct {
	file io.ReaderAt
	size int64
	wide bool // pointers have 64 bits
	at   int64
	buf  *bufio.Reader
	err  error
}

func (c *cursor) seek(at int64) {
	if at < 0 || at > c.size {
		c.err = errors.Join(c.err, errDamaged)
		at = c.size
	}
	c.at = at
	section := io.NewSectionReader(c.file, at, c.size-at)
	if c.buf == nil {
		c.buf = bufio.NewReaderSize(section, 512)
	} else {
		c.buf.Reset(section)
	}
}

func (c *cursor) skip(n int64) {
	if n < int64(c.buf.Buffered()) {
		_, _ = c.buf.Discard(int(n))
		c.at += n
		return
	}
	c.seek(c.at + n)
}

// bytes reads n bytes. A shorter rest sets the error; the result then has at most 8 zeros.
func (c *cursor) bytes(n int) []byte {
	if c.err == nil && int64(n) > c.size-c.at {
		c.err = errDamaged
	}
	if c.err != nil {
		return make([]byte, min(n, 8))
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(c.buf, b); err != nil {
		c.err = err
	}
	c.at += int64(n)
	return b
}

func (c *cursor) uint32() uint32 { return binary.BigEndian.Uint32(c.bytes(4)) }

func (c *cursor) int32() int { return int(int32(c.uint32())) } //nolint:gosec // the format's two's complement

func (c *cursor) float32() float32 { return math.Float32frombits(c.uint32()) }

// pointer reads an offset in the file; 0 ends a list.
func (c *cursor) pointer() int64 {
	if !c.wide {
		return int64(c.uint32())
	}
	at := binary.BigEndian.Uint64(c.bytes(8))
	if at > math.MaxInt64 {
		c.err = errors.Join(c.err, errDamaged)
		return 0
	}
	return int64(at)
}

func (c *cursor) pointerSize() int64 {
	if c.wide {
		return 8
	}
	return 4
}
