package judge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/tool/icc"
)

// programTime bounds the time of a decoder.
const programTime = 60 * time.Second

// toSRGBOptions tell ImageMagick to turn a picture upright, convert it with its profile, and write
// a PNG of 8 bits.
var toSRGBOptions = []string{"-auto-orient", "-profile", "SRGB", "-strip", "-depth", "8", "png32:OUT"}

// throughProgram decodes with a program. In its arguments, IN and OUT stand for files and SRGB for
// an sRGB profile.
func throughProgram(ctx context.Context, body []byte, extension, program string, args ...string) (image.Image, error) {
	return asImage(inFolder(body, extension, func(in, out string) error {
		return run(ctx, program, fill(args, in, out)...)
	}))
}

// asImage decodes the PNG of inFolder.
func asImage(body []byte, err error) (image.Image, error) {
	if err != nil {
		return nil, err
	}
	return png.Decode(bytes.NewReader(body))
}

func fill(args []string, in, out string) (filled []string) {
	names := strings.NewReplacer("IN", in, "OUT", out, "SRGB", filepath.Join(filepath.Dir(out), "srgb.icc"))
	for _, a := range args {
		filled = append(filled, names.Replace(a))
	}
	return filled
}

// inFolder writes the body to a file, calls draw, and returns the PNG that draw wrote.
func inFolder(body []byte, extension string, draw func(in, out string) error) ([]byte, error) {
	dir, err := os.MkdirTemp("", "judge-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	in, out := filepath.Join(dir, "in."+extension), filepath.Join(dir, "out.png")
	err = errors.Join(os.WriteFile(in, body, 0o600), os.WriteFile(filepath.Join(dir, "srgb.icc"), icc.RGB("sRGB", icc.BT709, icc.SRGB), 0o600))
	if err == nil {
		err = draw(in, out)
	}
	if err != nil {
		return nil, err
	}
	return readPNG(dir)
}

// readPNG reads the first picture that a program wrote into a folder. Some programs number their
// pictures.
func readPNG(dir string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(dir, "out*.png"))
	if err != nil || len(files) == 0 {
		return nil, errors.Join(errors.New("no picture was written"), err)
	}
	return os.ReadFile(files[0])
}

// run runs a program to its end. Its error contains the program's output.
func run(ctx context.Context, program string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, programTime)
	defer cancel()
	said, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, said[:min(len(said), 300)])
	}
	return nil
}
