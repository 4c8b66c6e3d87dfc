package tools

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// probe is what ffprobe tells of a video.
type probe struct {
	Streams []struct {
		Width  int64 `json:"width"`
		Height int64 `json:"height"`
	} `json:"streams"`
	Format struct {
		Duration string `json:"duration"` // seconds
	} `json:"format"`
}

// only files: a playlist's entries are not fetched.
var localOnly = []string{"-v", "error", "-protocol_whitelist", "file"}

// drawVideo draws the frame at the asked second, by default in the middle, and
// the first frame when there is none.
func drawVideo(t *task) error {
	text, err := t.textOf("ffprobe", append(localOnly[:len(localOnly):len(localOnly)], "-select_streams", "v:0",
		"-show_entries", "stream=width,height:format=duration", "-of", "json", named)...)
	if err != nil {
		return err
	}
	var p probe
	if err := json.Unmarshal([]byte(text), &p); err != nil || len(p.Streams) == 0 {
		return fault.New(fault.Undecodable, "the original has no video")
	}
	if s := p.Streams[0]; s.Width > 1<<16 || s.Height > 1<<16 || s.Width*s.Height > t.request.MaxPixels {
		return fault.New(fault.TooLarge, "the original has %d × %d pixels; at most %d are rendered", s.Width, s.Height, t.request.MaxPixels)
	}
	duration, _ := strconv.ParseFloat(p.Format.Duration, 64)
	second := math.Floor(duration / 2)
	if t.request.Spec.Page > 0 {
		second = float64(t.request.Spec.Page)
	}
	if second > 0 && !math.IsInf(second, 0) {
		if err := frameAt(t, second); err == nil && drawn(t) {
			return nil
		}
		if err := t.request.Out.Truncate(0); err != nil {
			return err
		}
		if _, err := t.request.Out.Seek(0, 0); err != nil {
			return err
		}
	}
	return frameAt(t, 0)
}

func drawn(t *task) bool {
	info, err := t.request.Out.Stat()
	return err == nil && info.Size() > 0
}

// frameAt makes pixels square, as a browser shows them.
func frameAt(t *task, second float64) error {
	return t.draw("ffmpeg", append(localOnly[:len(localOnly):len(localOnly)], "-nostdin", "-threads", "1",
		"-ss", strconv.FormatFloat(second, 'f', 3, 64), "-i", named, "-map", "0:v:0", "-frames:v", "1",
		"-vf", "scale=iw*sar:ih,setsar=1", "-pix_fmt", "rgb24", "-f", "image2pipe", "-c:v", "ppm", "-")...)
}
