package guard

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// counting counts the reads of a file.
type counting struct {
	file  io.ReaderAt
	reads int
}

func (c *counting) ReadAt(p []byte, at int64) (int, error) {
	c.reads++
	return c.file.ReadAt(p, at)
}

func TestWindowReadsAsTheFile(t *testing.T) {
	content := make([]byte, 3*windowSize+100)
	for i := range content {
		content[i] = byte(i * 7 >> 3)
	}
	for name, at := range map[string][]int64{
		"forward":        {0, 10, 100, 5000, windowSize - 3, windowSize, 2 * windowSize},
		"back":           {windowSize, 3, windowSize + 5, 0},
		"behind the end": {int64(len(content)) - 3, int64(len(content)), int64(len(content)) + 9, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := &window{file: bytes.NewReader(content)}
			for _, at := range at {
				for _, length := range []int{0, 1, 16, 1000, windowSize} {
					got, want := make([]byte, length), make([]byte, length)
					n, err := w.ReadAt(got, at)
					m, wantErr := bytes.NewReader(content).ReadAt(want, at)
					if n != m || !bytes.Equal(got, want) || length > 0 && !errors.Is(err, wantErr) {
						t.Errorf("%d bytes at %d: %d, %v; want %d, %v", length, at, n, err, m, wantErr)
					}
				}
			}
		})
	}
}

func TestWindowReadsOnce(t *testing.T) {
	c := &counting{file: bytes.NewReader(make([]byte, 100_000))}
	w := &window{file: c}
	for at := range int64(50) {
		_, _ = w.ReadAt(make([]byte, 256), at*70)
	}
	if c.reads != 1 {
		t.Errorf("%d reads", c.reads)
	}
}
