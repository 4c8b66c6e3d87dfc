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

// packAVIF packs the frames into an animated AVIF.
func packAVIF(t *task) error {
	if err := t.rewind(); err != nil {
		return err
	}
	file, err := io.ReadAll(io.LimitReader(t.request.Original, maxPacked))
	if err != nil {
		return err
	}
	a, err := animation.Unmarshal(file)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot read the frames of an animation")
	}
	speed := fineSpeed
	if len(file) > maxFine {
		speed = fastSpeed
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
		name := fmt.Sprintf("frame%d.png", i)
		if err := os.WriteFile(name, f.PNG, 0o600); err != nil {
			return nil, err
		}
		shown := f.Shown
		if shown <= 0 {
			shown = unshown
		}
		args = append(args, "--duration", strconv.FormatInt(shown.Milliseconds(), 10), name)
	}
	return args, nil
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
