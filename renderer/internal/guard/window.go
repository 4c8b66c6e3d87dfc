package guard

import "io"

// windowSize is how much of a file is read at once: what lies before an Exif segment's
// thumbnail, and what follows it.
const windowSize = 4 << 10 // bytes

// window reads a file's header by few system calls: what was read last is kept, and small
// reads that lie in it are served from there. It is for one goroutine.
type window struct {
	file  io.ReaderAt
	at    int64
	bytes []byte // from at on
	err   error  // behind them
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

// read serves what lies in the window, or behind it where the file ends.
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
