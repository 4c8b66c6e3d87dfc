package tools

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// probe is what ffprobe tells of a video. Times are seconds.
type probe struct {
	Streams []stream `json:"streams"`
	Format  struct {
		Start    string `json:"start_time"`
		Duration string `json:"duration"`
	} `json:"format"`
}

// stream is one stream of pictures.
type stream struct {
	Index       int    `json:"index"`
	Codec       string `json:"codec_name"`
	Width       int64  `json:"width"`
	Height      int64  `json:"height"`
	Pixels      string `json:"pix_fmt"`
	Aspect      string `json:"sample_aspect_ratio"` // of a pixel, such as 16:15
	Start       string `json:"start_time"`
	Duration    string `json:"duration"`
	Range       string `json:"color_range"`
	Matrix      string `json:"color_space"`
	Transfer    string `json:"color_transfer"`
	Primaries   string `json:"color_primaries"`
	Disposition struct {
		Default  int `json:"default"`
		Attached int `json:"attached_pic"`
	} `json:"disposition"`
	Tags     map[string]string `json:"tags"`
	SideData []struct {
		Rotation float64 `json:"rotation"`
	} `json:"side_data_list"`
}

const probed = "stream=index,codec_name,width,height,pix_fmt,sample_aspect_ratio,start_time,duration," +
	"color_range,color_space,color_transfer,color_primaries" +
	":stream_disposition=default,attached_pic:stream_tags=alpha_mode,ALPHA_MODE,mimetype,MIMETYPE,DURATION:stream_side_data=rotation" +
	":format=start_time,duration"

func (t *task) probe() (p probe, err error) {
	text, err := t.textOf("ffprobe", arguments("-select_streams", "v", "-show_entries", probed, "-of", "json", named)...)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fault.Wrap(err, fault.Undecodable, "the original's streams cannot be told apart")
	}
	return p, nil
}

// tag is a container's word on a stream; names are written in any case.
func (s stream) tag(name string) string {
	for key, value := range s.Tags {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// film is the stream that a player shows: a cover, or a picture that was put among the
// streams, only where there is nothing else.
func (p probe) film() (stream, bool) {
	if len(p.Streams) == 0 {
		return stream{}, false
	}
	return slices.MinFunc(p.Streams, func(a, b stream) int {
		return cmp.Or(cmp.Compare(a.coverLike(), b.coverLike()), cmp.Compare(b.Disposition.Default, a.Disposition.Default), cmp.Compare(a.Index, b.Index))
	}), true
}

// coverLike is the greater, the more a stream looks like one picture of something else.
func (s stream) coverLike() int {
	switch {
	case s.Disposition.Attached > 0:
		return 3
	case strings.HasPrefix(s.tag("mimetype"), "image/"): // an attachment that became a stream
		return 2
	case slices.Contains([]string{"png", "bmp", "gif", "webp", "tiff", "mjpeg"}, s.Codec):
		return 1
	}
	return 0
}

// span is a film's part of the time that ffmpeg counts when it seeks, in seconds.
type span struct{ start, middle, end float64 }

// span tells when the stream is shown. Where it agrees with the container's own time, the
// middle is Wikimedia's, which halves that and drops what is less than a second.
func (p probe) span(s stream) span {
	whole := seconds(p.Format.Duration)
	start := max(0, seconds(s.Start)-seconds(p.Format.Start))
	length := seconds(s.Duration)
	if length == 0 { // Matroska tells each stream's end
		length = clock(s.tag("duration")) - seconds(s.Start)
	}
	if length <= 0 {
		length = max(0, whole-start)
	}
	film := span{start, start + length/2, start + length}
	if math.Abs(film.end-whole) < 1 && start < 1 && whole >= 2 {
		film.middle = math.Floor(whole / 2)
	}
	return film
}

// at is the second to draw: the middle, or the asked one. One beyond the end becomes a
// second before it, as TimedMediaHandler's normaliseParams has it.
func (s span) at(asked int) float64 {
	switch second := float64(asked); {
	case asked <= 0:
		return s.middle
	case second >= s.end:
		return max(s.start, s.end-1)
	default:
		return max(s.start, second)
	}
}

// seconds reads a time; 0 of one that is not known.
func seconds(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.Abs(n) > maxSeconds {
		return 0
	}
	return n
}

// maxSeconds is ten years: what claims more is damaged.
const maxSeconds = 10 * 366 * 24 * 3600

// clock reads 00:01:02.500; 0 of anything else.
func clock(text string) float64 {
	var hours, minutes int
	var rest float64
	if _, err := fmt.Sscanf(text, "%d:%d:%g", &hours, &minutes, &rest); err != nil {
		return 0
	}
	return seconds(strconv.FormatFloat(float64(hours)*3600+float64(minutes)*60+rest, 'f', -1, 64))
}

// sideways reports whether the picture is turned a quarter, after which width and height
// have changed places.
func (s stream) sideways() bool {
	for _, d := range s.SideData {
		if math.Mod(math.Abs(d.Rotation), 180) == 90 {
			return true
		}
	}
	return false
}

// shown is the size before turning, with square pixels.
func (s stream) shown() (width, height int64) {
	var x, y float64
	if _, err := fmt.Sscanf(s.Aspect, "%g:%g", &x, &y); err != nil || !(x > 0) || !(y > 0) {
		x, y = 1, 1
	}
	return max(1, int64(min(float64(s.Width)*x/y, 1<<31))), s.Height
}
