package solid

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
)

// maxWord is the most bytes of a word in a text STL.
const maxWord = 64 << 10

// triangles calls each for all triangles of the file, from its beginning. It leaves out triangles whose
// coordinates are not numbers, or too large to calculate with.
func triangles(file io.ReadSeeker, each func(triangle)) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReaderSize(file, 1<<20)
	head, _ := in.Peek(4096)
	if n, _ := guard.STLTriangles(head, size); n > 0 {
		return binaryTriangles(in, n, each)
	}
	return textTriangles(in, each)
}

func binaryTriangles(in *bufio.Reader, n int64, each func(triangle)) error {
	if _, err := in.Discard(guard.STLHeader); err != nil {
		return err
	}
	var b [guard.STLTriangle]byte // a normal, three corners, two bytes of attributes
	for range n {
		if _, err := io.ReadFull(in, b[:]); err != nil {
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
	return nil
}

// textTriangles calls each for every three corners of a facet. A corner is the word "vertex" and three
// numbers. Words can have any case, and any white space between them. The words between "solid" and the
// first facet are a name, and can be any words.
func textTriangles(in *bufio.Reader, each func(triangle)) error {
	words := bufio.NewScanner(in)
	words.Buffer(make([]byte, 0, 4096), maxWord)
	words.Split(bufio.ScanWords)
	var t triangle
	corner, named := 0, true
	for words.Scan() {
		switch word := words.Bytes(); {
		case is(word, "solid") || is(word, "endsolid"):
			named = true
		case is(word, "facet"):
			corner, named = 0, false
		case named || !is(word, "vertex"):
			continue
		default:
			if whole, err := readCorner(words, &t[corner]); !whole {
				return errors.Join(err, words.Err())
			}
			if corner++; corner == 3 {
				if corner = 0; t.finite() {
					each(t)
				}
			}
		}
	}
	return words.Err()
}

func is(word []byte, keyword string) bool {
	return len(word) == len(keyword) && strings.EqualFold(string(word), keyword)
}

// readCorner reads three numbers. It returns false without an error at the end of a truncated text, and
// false with an error for a word that is not a number.
func readCorner(words *bufio.Scanner, v *vector) (bool, error) {
	for axis := range v {
		if !words.Scan() {
			return false, nil
		}
		value, err := strconv.ParseFloat(words.Text(), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return false, fmt.Errorf("a coordinate of a corner is %.20q: it must be a number", words.Text())
		}
		v[axis] = value
	}
	return true, nil
}
