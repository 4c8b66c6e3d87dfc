package solid

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
)

const (
	headerSize   = 80
	triangleSize = 50
	maxLine      = 4096
)

// triangles calls each for all triangles of the file, from its beginning. Those
// with coordinates that are no numbers are left out.
func triangles(file io.ReadSeeker, each func(triangle)) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReaderSize(file, 1<<20)
	head, _ := in.Peek(headerSize + 4)
	if len(head) == headerSize+4 && size == headerSize+4+triangleSize*int64(binary.LittleEndian.Uint32(head[headerSize:])) {
		return binaryTriangles(in, each)
	}
	return textTriangles(in, each)
}

func binaryTriangles(in *bufio.Reader, each func(triangle)) error {
	if _, err := in.Discard(headerSize + 4); err != nil {
		return err
	}
	var b [triangleSize]byte // a normal, three corners, two bytes of attributes
	for {
		if _, err := io.ReadFull(in, b[:]); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var t triangle
		for i := range 9 {
			t[i/3][i%3] = float64(math.Float32frombits(binary.LittleEndian.Uint32(b[12+4*i:])))
		}
		if t.finite() {
			each(t)
		}
	}
}

// textTriangles takes every three lines that begin with "vertex".
func textTriangles(in *bufio.Reader, each func(triangle)) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	var t triangle
	corner := 0
	for lines.Scan() {
		rest, ok := bytes.CutPrefix(bytes.TrimSpace(lines.Bytes()), []byte("vertex"))
		if !ok {
			continue
		}
		numbers := strings.Fields(string(rest))
		if len(numbers) != 3 {
			return errors.New("a corner without three coordinates")
		}
		for axis, text := range numbers {
			value, err := strconv.ParseFloat(text, 64)
			if err != nil {
				return err
			}
			t[corner][axis] = value
		}
		if corner++; corner == 3 {
			if corner = 0; t.finite() {
				each(t)
			}
		}
	}
	return lines.Err()
}
