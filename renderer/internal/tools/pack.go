package tools

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/animation"
	"github.com/thumbmill/thumbmill/shared/fault"
)

const (
	// maxPacked bounds the file of the frames, in bytes. The frames are losslessly packed, and
	// together have at most as many pixels as an animation may have.
	maxPacked = 1 << 30
	// fineSpeed and fastSpeed are speeds of avifenc. 40 frames of 320 × 240 pixels take 1.4 s of processor time
	// and 112 KB at speed 6, and 0.3 s and 175 KB at speed 8. At speed 7, avifenc 0.11 with libaom 3.6 can crash.
	fineSpeed, fastSpeed = 6, 8
	// maxFine bounds the file of the frames for the fine speed, in bytes.
	maxFine = 8 << 20
	// unshown is the duration of a frame that declares none. Browsers use this duration for GIF.
	unshown = 100 * time.Millisecond
)

// moving reads the frames. fine reports whether the time suffices for the best packing.
func (t *task) moving() (a animation.Animation, fine bool, err error) {
	if err := t.rewind(); err != nil {
		return a, false, err
	}
	file, err := io.ReadAll(io.LimitReader(t.request.Original, maxPacked))
	if err != nil {
		return a, false, err
	}
	if a, err = animation.Unmarshal(file); err != nil {
		return a, false, fault.Wrap(err, fault.Internal, "cannot read the frames of an animation")
	}
	return a, len(file) <= maxFine, nil
}

// packAVIF packs the frames into an animated AVIF.
func packAVIF(t *task) error {
	a, fine, err := t.moving()
	if err != nil {
		return err
	}
	speed := fastSpeed
	if fine {
		speed = fineSpeed
	}
	args, err := t.unpack(a)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write the frames of an animation to the tool's folder")
	}
	const made = "packed.avif"
	if err := t.runProgram(call{program: "avifenc", args: slices.Concat(t.avifOptions(a, speed), args, []string{made}), out: io.Discard}); err != nil {
		return err
	}
	return t.takeFile(made)
}

// avifOptions returns avifenc's options for all frames. The quality is the same as libheif's for a still AVIF.
func (t *task) avifOptions(a animation.Animation, speed int) []string {
	level := (63*(100-t.request.Spec.QualityOf(t.request.Spec.Format)) + 50) / 100
	options := []string{"--jobs", "1", "--speed", strconv.Itoa(speed), "--yuv", "420", "--timescale", "1000",
		"--min", "0", "--max", "63", "-a", "end-usage=q", "-a", "cq-level=" + strconv.Itoa(level)}
	if t.counts() {
		loops := "infinite"
		if a.Loops > 0 {
			loops = strconv.Itoa(a.Loops - 1) // avifenc counts the repetitions after the first showing
		}
		options = append(options, "--repetition-count", loops)
	}
	return options
}

// counts reports whether avifenc can write the number of repetitions. Version 1.0 and later can.
func (t *task) counts() bool {
	help, _ := t.textOf("avifenc", "--help")
	return strings.Contains(help, "--repetition-count")
}

// unpack writes the frames to files, and returns avifenc's arguments for the files.
func (t *task) unpack(a animation.Animation) (args []string, err error) {
	for i, f := range a.Frames {
		name, err := writeFrame(i, f)
		if err != nil {
			return nil, err
		}
		args = append(args, "--duration", strconv.FormatInt(shown(f).Milliseconds(), 10), name)
	}
	return args, nil
}

// writeFrame writes frame i to a file, and returns its name.
func writeFrame(i int, f animation.Frame) (name string, err error) {
	name = fmt.Sprintf("frame%d.png", i)
	return name, os.WriteFile(name, f.PNG, 0o600)
}

// shown returns the duration of a frame, or unshown for a frame that declares none.
func shown(f animation.Frame) time.Duration {
	if f.Shown <= 0 {
		return unshown
	}
	return f.Shown
}

// takeFile copies a file that a program wrote to the output.
func (t *task) takeFile(made string) error {
	file, err := os.Open(made) //nolint:gosec // a fixed name
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	_, err = io.Copy(t.request.Out, file)
	return err
}
