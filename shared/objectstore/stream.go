package objectstore

import (
	"errors"
	"io"
)

// stream reads an object over a network. A seek costs a request, so stream delays it until the next
// read.
type stream struct {
	body      io.ReadCloser // from pos on
	size      int64
	want, pos int64
	reopen    func(from int64) (io.ReadCloser, error)
}

// NewStream makes an object from a body of size bytes. reopen must return the rest of the same version
// from an offset, or an error. Reads of a body that ends early return io.ErrUnexpectedEOF.
func NewStream(body io.ReadCloser, size int64, reopen func(from int64) (io.ReadCloser, error)) Object {
	return &stream{body: body, size: size, reopen: reopen}
}

func (s *stream) Read(p []byte) (int, error) {
	if s.want >= s.size {
		return 0, io.EOF
	}
	if s.want != s.pos {
		body, err := s.reopen(s.want)
		if err != nil {
			return 0, err
		}
		_ = s.body.Close()
		s.body, s.pos = body, s.want
	}
	n, err := s.body.Read(p)
	s.pos += int64(n)
	s.want = s.pos
	if errors.Is(err, io.EOF) && s.pos < s.size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (s *stream) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += s.want
	case io.SeekEnd:
		offset += s.size
	}
	if offset < 0 {
		return 0, errors.New("objectstore: seek before the start")
	}
	s.want = offset
	return offset, nil
}

func (s *stream) Close() error { return s.body.Close() }
