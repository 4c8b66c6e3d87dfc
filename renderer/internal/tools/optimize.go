package tools

import (
	"errors"
	"io"
	"os"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// The optimizers of Thumbor on AWS: each repacks a thumbnail without changing a pixel.

func optimizeJPEG(t *task) error {
	return t.filter("jpegtran", "-copy", "all", "-optimize", "-progressive")
}

func optimizeGIF(t *task) error {
	return t.filter("gifsicle", "--no-warnings", "-O2")
}

// filter has a program read the thumbnail and write it anew.
func (t *task) filter(program string, args ...string) error {
	if err := t.rewind(); err != nil {
		return err
	}
	return t.runProgram(call{program: program, args: args, in: t.request.Original, out: t.request.Out})
}

// optimizePNG works on a file in place.
func optimizePNG(t *task) error {
	const path = "thumbnail.png"
	if err := t.copyTo(path); err != nil {
		return fault.Wrap(err, fault.Internal, "no room for a thumbnail")
	}
	if err := t.runProgram(call{program: "optipng", args: []string{"-quiet", "-o2", path}}); err != nil {
		return err
	}
	return t.take(path)
}

func (t *task) copyTo(path string) error {
	if err := t.rewind(); err != nil {
		return err
	}
	file, err := os.Create(path) //nolint:gosec // a fixed name
	if err != nil {
		return err
	}
	_, err = io.Copy(file, t.request.Original)
	return errors.Join(err, file.Close())
}
