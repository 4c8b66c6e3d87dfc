package tools

import (
	"errors"
	"io"
	"os"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Thumbor on AWS has the same optimizers. Each repacks a thumbnail and changes no pixel.

func optimizeJPEG(t *task) error {
	return t.filter("jpegtran", "-copy", "all", "-optimize", "-progressive")
}

func optimizeGIF(t *task) error {
	return t.filter("gifsicle", "--no-warnings", "-O2")
}

// filter runs a program that reads the thumbnail and writes it again.
func (t *task) filter(program string, args ...string) error {
	if err := t.rewind(); err != nil {
		return err
	}
	return t.runProgram(call{program: program, args: args, in: t.request.Original, out: t.request.Out})
}

// optimizePNG copies the thumbnail first, since optipng changes a file in place.
func optimizePNG(t *task) error {
	const path = "thumbnail.png"
	if err := t.copyTo(path); err != nil {
		return fault.Wrap(err, fault.Internal, "cannot copy the thumbnail to the tool's folder")
	}
	if err := t.runProgram(call{program: "optipng", args: []string{"-quiet", "-o2", path}}); err != nil {
		return err
	}
	return t.takeFile(path)
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
