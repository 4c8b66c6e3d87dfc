package source

import (
	"crypto/md5" //nolint:gosec // what stores promise
	"encoding/hex"
	"hash"
	"io"
	"os"
)

// copyBuffer is how many bytes are read from a store and written to the disk at once.
const copyBuffer = 256 << 10

// checksum is that of an original under way, or nothing where its store promises none: MD5
// takes longer than all else that is done to the bytes here.
type checksum struct {
	want string
	sum  hash.Hash // nil: nobody compares
}

func newChecksum(want string) checksum {
	if want == "" {
		return checksum{}
	}
	return checksum{want, md5.New()} //nolint:gosec // what stores promise
}

// right compares what was read with what the store told.
func (c checksum) right() bool { return c.sum == nil || hex.EncodeToString(c.sum.Sum(nil)) == c.want }

// copyTo writes all of from to the file, by the caller's buffer, and adds it to the checksum.
func copyTo(file *os.File, c checksum, from io.Reader, buffer []byte) (int64, error) {
	if c.sum != nil {
		from = io.TeeReader(from, c.sum)
	}
	return io.CopyBuffer(struct{ io.Writer }{file}, struct{ io.Reader }{from}, buffer)
}
