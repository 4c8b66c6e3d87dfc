package tools

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/thumbmill/thumbmill/renderer/internal/colour"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// drawJXL draws the first frame. djxl writes all frames: as one PNG, or as a PNG per frame with a number in its
// name.
func drawJXL(t *task) error {
	if err := t.djxl("frame.png"); err != nil {
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
	if !t.request.Header.Inks {
		return t.hand(made[0])
	}
	return t.handInks(made[0])
}

func (t *task) djxl(to string, options ...string) error {
	return t.runProgram(call{program: "djxl", args: append(options, "--quiet", "--num_threads=1", named, to)})
}

// inkProfile is the file with the profile of inks, in the folder where tools write.
const inkProfile = "inks.icc"

// handInks converts a frame of cyan, magenta and yellow to sRGB. djxl writes black into a file of its own next to a PPM;
// version 0.7 does it without the option that later versions need. Inks are stored as the light that they leave.
func (t *task) handInks(frame string) error {
	asked := "--orig_icc_out=" + inkProfile
	err := t.djxl("inks.ppm", asked, "--output_extra_channels")
	if fault.Is(err, fault.Undecodable) {
		err = t.djxl("inks.ppm", asked)
	}
	if err != nil {
		return err
	}
	black, err := filepath.Glob("inks*-ec1.pgm") // encoders write black before other channels
	if err != nil || len(black) == 0 {
		return fault.New(fault.Unsupported, "the original has CMYK colours; this renderer's djxl does not write its black")
	}
	if err := os.WriteFile(onScreen, colour.Space{}.Profile(), 0o600); err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write a colour profile to the tool's folder")
	}
	args := []string{"(", frame, "-alpha", "off", "-strip", "-negate", "-separate", ")", "(", black[0], "-negate", ")",
		"-set", "colorspace", "CMYK", "-combine", "-set", "colorspace", "CMYK", "-profile", inkProfile, "-profile", onScreen}
	if t.request.Header.Alpha {
		args = append(args, "(", frame, "-alpha", "extract", ")", "-compose", "CopyOpacity", "-composite")
	}
	return t.convert(args...)
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
