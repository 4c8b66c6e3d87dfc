package tools

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/renderer/internal/animation"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// packMP4 packs the frames into an MP4 with H.264, without sound, as browsers play it: with halved colours, sides of an even
// number of pixels, and the index in front.
func packMP4(t *task) error {
	a, fine, err := t.moving()
	if err != nil {
		return err
	}
	const script = "frames.ffconcat"
	if err := writeScript(script, a); err != nil {
		return fault.Wrap(err, fault.Internal, "cannot write the frames of an animation to the tool's folder")
	}
	preset := "veryfast"
	if fine {
		preset = "medium"
	}
	const made = "packed.mp4"
	args := arguments("-nostdin", "-y", "-f", "concat", "-i", script)
	args = slices.Concat(args, videoOptions(t.request.Spec.QualityOf(t.request.Spec.Format), preset), []string{made})
	if err := t.runProgram(call{program: "ffmpeg", args: args, out: io.Discard}); err != nil {
		return err
	}
	return t.takeFile(made)
}

// videoOptions returns ffmpeg's options. A quality of 100 is x264's rate factor 15, and 1 is the worst, 51; 80 is 22, near
// x264's own default.
func videoOptions(quality int, preset string) []string {
	even := "scale=w=trunc((iw+1)/2)*2:h=trunc((ih+1)/2)*2:flags=bicubic+accurate_rnd:out_color_matrix=bt709:out_range=tv,format=yuv420p"
	return []string{
		"-vf", even, "-vsync", "vfr", "-enc_time_base", "1:1000", "-video_track_timescale", "1000",
		"-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709", "-color_range", "tv",
		"-c:v", "libx264", "-threads", "1", "-preset", preset, "-crf", strconv.Itoa(15 + (100-quality)*36/99),
		"-movflags", "+faststart", "-map_metadata", "-1",
	}
}

// writeScript writes the frames, and ffmpeg's list of them with their durations. The last frame is listed twice, because the
// list ignores the duration of its last entry.
func writeScript(script string, a animation.Animation) error {
	var list strings.Builder
	list.WriteString("ffconcat version 1.0\n")
	last := ""
	for i, f := range a.Frames {
		name, err := writeFrame(i, f)
		if err != nil {
			return err
		}
		fmt.Fprintf(&list, "file %s\nduration %.3f\n", name, shown(f).Seconds())
		last = name
	}
	fmt.Fprintf(&list, "file %s\n", last)
	return os.WriteFile(script, []byte(list.String()), 0o600)
}
