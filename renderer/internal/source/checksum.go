package source

import (
	"crypto/md5" //nolint:gosec // stores promise MD5
	"encoding/hex"
	"hash"
	"io"
	"os"
)

// copyBuffer is the number of bytes that one read from a store and one write to the disk move.
const copyBuffer = 256 << 10

// checksum computes the MD5 of an original while it is copied. It computes nothing if the store
// promises no checksum, because MD5 takes longer than the copying itself.
type checksum struct {
	want string
	sum  hash.Hash // nil: the store promises no checksum
}

func newChecksum(want string) checksum {
	if want == "" {
		return checksum{}
	}
	return checksum{want, md5.New()} //nolint:gosec // stores promise MD5
}

// right reports whether the bytes have the checksum that the store promises, or the store promises
// no checksum.
func (c checksum) right() bool { return c.sum == nil || hex.EncodeToString(c.sum.Sum(nil)) == c.want }

// copyTo writes all bytes of from to the file through the caller's buffer, and adds them to the
// checksum. It returns the number of bytes.
func copyTo(file *os.File, c checksum, from io.Reader, buffer []byte) (int64, error) {
	if c.sum != nil {
		from = io.TeeReader(from, c.sum)
	}
	return io.CopyBuffer(struct{ io.Writer }{file}, struct{ io.Reader }{from}, buffer)
}
