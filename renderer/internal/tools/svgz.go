package tools

import (
	"compress/gzip"
	"errors"
	"io"
	"os"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// maxExpanded bounds the text of a compressed drawing, in bytes.
const maxExpanded = 64 << 20

// expanded returns a function that expands a compressed SVG and then calls draw. Other SVGs go to draw unchanged.
func expanded(draw func(*task) error) func(*task) error {
	return func(t *task) error {
		var magic [2]byte
		if _, err := t.request.Original.ReadAt(magic[:], 0); err != nil || magic != [2]byte{0x1f, 0x8b} {
			return draw(t)
		}
		text, err := expand(t)
		if err != nil {
			return err
		}
		defer func() { _ = text.Close() }()
		t.request.Original = text
		return draw(t)
	}
}

// expand writes the drawing's text to a file in the folder where tools write, and returns the file. The text of a
// truncated original ends early. expand returns fault.TooLarge for a text of more than maxExpanded bytes.
func expand(t *task) (*os.File, error) {
	if err := t.rewind(); err != nil {
		return nil, err
	}
	in, err := gzip.NewReader(t.request.Original)
	if err != nil {
		return nil, fault.Wrap(err, fault.Undecodable, "the original could not be decoded")
	}
	out, err := os.Create("expanded.svg")
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "cannot write the expanded original to the tool's folder")
	}
	n, err := io.Copy(out, io.LimitReader(in, maxExpanded+1))
	switch {
	case n > maxExpanded:
		err = fault.New(fault.TooLarge, "the original expands to more than %d MiB, which is the limit", maxExpanded>>20)
	case n > 0 && (errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum)):
		err = nil
	case err != nil:
		err = fault.Wrap(err, fault.Undecodable, "the original could not be decoded")
	}
	if err != nil {
		_ = out.Close()
		return nil, err
	}
	return out, nil
}
