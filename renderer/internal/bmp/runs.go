package bmp

import (
	"bufio"
	"io"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Codes behind a run of length 0.
const (
	endOfRow     = 0
	endOfPicture = 1
	move         = 2
)

// painter fills a picture with run lengths. Pixels that no run reaches are black, as in
// browsers.
type painter struct {
	in     *bufio.Reader
	to     *Picture
	pixel  int // bytes of a pixel in the file
	x, y   int
	ending bool
}

// paint reads the runs. A file that ends early keeps the pixels that it has.
func (p *Picture) paint(size int64) error {
	w := &painter{in: bufio.NewReader(io.NewSectionReader(p.in, p.at, size-p.at)), to: p, pixel: 1}
	if p.compression == rle24 {
		w.pixel = 3
	}
	p.painted = make([]byte, p.Width*p.Height*3)
	for !w.ending && w.y < p.Height {
		err := w.step()
		if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // as io.ReadFull returns them
			return nil
		}
		if err != nil {
			return fault.Wrap(err, fault.Internal, "the original could not be read back")
		}
	}
	return nil
}

func (w *painter) step() error {
	length, err := w.in.ReadByte()
	if err != nil {
		return err
	}
	if length > 0 {
		return w.run(int(length))
	}
	code, err := w.in.ReadByte()
	if err != nil {
		return err
	}
	switch code {
	case endOfRow:
		w.x, w.y = 0, w.y+1
	case endOfPicture:
		w.ending = true
	case move:
		return w.move()
	default:
		return w.literal(int(code))
	}
	return nil
}

func (w *painter) move() error {
	var by [2]byte
	_, err := io.ReadFull(w.in, by[:])
	w.x, w.y = w.x+int(by[0]), w.y+int(by[1])
	return err
}

// run paints a pixel, or two pixels of RLE4 in turn, several times.
func (w *painter) run(length int) error {
	value := make([]byte, w.pixel)
	if _, err := io.ReadFull(w.in, value); err != nil {
		return err
	}
	pair := [2][]byte{w.part(value, 0), w.part(value, 1)}
	for i := range length {
		w.put(pair[i%2])
	}
	return nil
}

// literal paints pixels that stand one after the other, filled up to an even number of bytes.
func (w *painter) literal(count int) error {
	length := count * w.pixel
	if w.to.compression == rle4 {
		length = (count + 1) / 2
	}
	values := make([]byte, length+length%2)
	n, err := io.ReadFull(w.in, values)
	for i := range count {
		at := i * w.pixel
		if w.to.compression == rle4 {
			at = i / 2
		}
		if at+w.pixel > n {
			return err
		}
		w.put(w.part(values[at:at+w.pixel], i))
	}
	return err
}

// part returns the pixel of a value: of RLE4, the high half for even i, the low half for odd i.
func (w *painter) part(value []byte, i int) []byte {
	if w.to.compression != rle4 {
		return value
	}
	if i%2 == 0 {
		return []byte{value[0] >> 4}
	}
	return []byte{value[0] & 15}
}

func (w *painter) put(value []byte) {
	if w.x < w.to.Width && w.y < w.to.Height {
		colour := w.to.palette[value[0]]
		if w.pixel == 3 {
			colour = [3]byte{value[2], value[1], value[0]}
		}
		copy(w.to.painted[(w.y*w.to.Width+w.x)*3:], colour[:])
	}
	w.x++
}
