package guard

import "io"

// windowSize is the number of bytes of a file that one system call reads. Most headers fit: the
// segments before an Exif thumbnail in one window, the segments after it in another.
const windowSize = 4 << 10 // bytes

// window reads a file's header with few system calls. It keeps the last bytes that it read, and
// serves small reads from these bytes. It is not safe for concurrent use.
type window struct {
	file  io.ReaderAt
	at    int64
	bytes []byte // the file's bytes from at on
	err   error  // the error of reading behind them
	room  [windowSize]byte
}

// ReadAt implements io.ReaderAt.
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

// read serves bytes from the window, and the end of the file behind the window. ok is false if
// the window does not have the bytes.
func (w *window) read(p []byte, at int64) (n int, err error, ok bool) { //nolint:revive // ok says whether n and err are valid
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
