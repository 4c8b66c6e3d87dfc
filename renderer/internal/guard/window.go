package guard

import "io"

// windowSize is the number of bytes of a file that one system call reads. Most headers fit: the
// segments before an Exif thumbnail in one window, the segments after it in another.
const windowSize = 4 << 10 // bytes

// window reads a file's header with few system calls: it keeps the bytes that it read last, and
// serves small reads from them. It is for one goroutine.
type window struct {
	file  io.ReaderAt
	at    int64
	bytes []byte // from at on
	err   error  // of reading past them
	room  [windowSize]byte
}

// ReadAt is io.ReaderAt's.
func (w *window) ReadAt(p []byte, at int64) (int, error) {
	if len(p) > windowSize/2 {
		return w.file.ReadAt(p, at)
	}
	if n, err, ok := w.read(p, at); ok {
		return n, err
	}
	n, err := w.file.ReadAt(w.room[:], at)
	w.at, w.bytes, w.err = at, w.room[:n], err
	n, err, _ = w.read(p, at)
	return n, err
}

// read serves bytes in the window, and the end of the file behind it.
func (w *window) read(p []byte, at int64) (n int, err error, ok bool) { //nolint:revive // ok says whether the two mean anything
	from := at - w.at
	if from < 0 || from > int64(len(w.bytes)) {
		return 0, nil, false
	}
	n = copy(p, w.bytes[from:])
	switch {
	case n == len(p):
		return n, nil, true
	case w.err != nil:
		return n, w.err, true
	}
	return 0, nil, false
}
