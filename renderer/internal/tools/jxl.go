package tools

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// drawJXL draws the first frame. djxl writes all frames: as one PNG, or as a PNG per frame with a number in its
// name.
func drawJXL(t *task) error {
	if err := t.runProgram(call{program: "djxl", args: []string{"--quiet", "--num_threads=1", named, "frame.png"}}); err != nil {
		return err
	}
	made, err := filepath.Glob("frame*")
	if err == nil && len(made) == 0 {
		err = errors.New("djxl wrote no frame")
	}
	if err != nil {
		return fault.Wrap(err, fault.Undecodable, "the original could not be decoded")
	}
	slices.Sort(made)
	return t.hand(made[0])
}

// hand copies a file that a program drew to the output.
func (t *task) hand(name string) error {
	file, err := os.Open(name)
	if err == nil {
		_, err = io.Copy(t.request.Out, file)
		_ = file.Close()
	}
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot read the picture that a program drew")
	}
	return nil
}
