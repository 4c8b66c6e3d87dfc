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

// probe is ffprobe's description of a video. Times are in seconds.
type probe struct {
	Streams []stream `json:"streams"`
	Format  struct {
		Start    string `json:"start_time"`
		Duration string `json:"duration"`
	} `json:"format"`
}

// stream is ffprobe's description of one video stream.
type stream struct {
	Index       int    `json:"index"`
	Codec       string `json:"codec_name"`
	Width       int64  `json:"width"`
	Height      int64  `json:"height"`
	Pixels      string `json:"pix_fmt"`
	Aspect      string `json:"sample_aspect_ratio"` // of a pixel, such as 16:15
	Fields      string `json:"field_order"`         // of an interlaced stream: tt, bb, tb or bt
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

const probed = "stream=index,codec_name,width,height,pix_fmt,sample_aspect_ratio,field_order,start_time,duration," +
	"color_range,color_space,color_transfer,color_primaries" +
	":stream_disposition=default,attached_pic:stream_tags=alpha_mode,ALPHA_MODE,mimetype,MIMETYPE,DURATION:stream_side_data=rotation" +
	":format=start_time,duration"

func (t *task) probe() (p probe, err error) {
	text, err := t.textOf("ffprobe", arguments("-select_streams", "v", "-show_entries", probed, "-of", "json", named)...)
	if err != nil {
		return p, err
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return p, fault.Wrap(err, fault.Undecodable, "cannot read ffprobe's list of the original's streams")
	}
	return p, nil
}

// tag returns the value of the stream's tag, or "" without such a tag. Containers write the names of tags in any case.
func (s stream) tag(name string) string {
	for key, value := range s.Tags {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// film returns the stream that a player shows, or false without any stream. It returns a cover or another still
// picture only if there is no better stream.
func (p probe) film() (stream, bool) {
	if len(p.Streams) == 0 {
		return stream{}, false
	}
	return slices.MinFunc(p.Streams, func(a, b stream) int {
		return cmp.Or(cmp.Compare(a.coverLike(), b.coverLike()), cmp.Compare(b.Disposition.Default, a.Disposition.Default), cmp.Compare(a.Index, b.Index))
	}), true
}

// coverLike rates how much a stream looks like a cover: from 0 for a film to 3 for a declared cover.
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

// span is the time of a film, in seconds as ffmpeg counts them in a seek.
type span struct{ start, middle, end float64 }

// span returns the time in which the stream is shown. If the stream's time agrees with the container's, the middle is
// Wikimedia's: half of the container's duration, rounded down to whole seconds.
func (p probe) span(s stream) span {
	whole := seconds(p.Format.Duration)
	start := max(0, seconds(s.Start)-seconds(p.Format.Start))
	length := seconds(s.Duration)
	if length == 0 { // Matroska declares each stream's end
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

// at returns the second to draw: the requested second, or the middle if asked is 0 or less. A request beyond the end
// gets the frame one second before the end, as in normaliseParams of TimedMediaHandler.
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

// seconds parses a time in seconds. It returns 0 for other text and for more than maxSeconds.
func seconds(text string) float64 {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || math.Abs(n) > maxSeconds {
		return 0
	}
	return n
}

// maxSeconds is ten years. A longer time means a damaged original.
const maxSeconds = 10 * 366 * 24 * 3600

// clock parses a time such as 00:01:02.500 and returns seconds. It returns 0 for other text.
func clock(text string) float64 {
	var hours, minutes int
	var rest float64
	if _, err := fmt.Sscanf(text, "%d:%d:%g", &hours, &minutes, &rest); err != nil {
		return 0
	}
	return seconds(strconv.FormatFloat(float64(hours)*3600+float64(minutes)*60+rest, 'f', -1, 64))
}

// sideways reports whether players rotate the picture by a quarter turn. The turn swaps width and
// height.
func (s stream) sideways() bool {
	for _, d := range s.SideData {
		if math.Mod(math.Abs(d.Rotation), 180) == 90 {
			return true
		}
	}
	return false
}

// interlaced reports whether frames consist of two fields, which show two moments.
func (s stream) interlaced() bool { return slices.Contains([]string{"tt", "bb", "tb", "bt"}, s.Fields) }

// shown returns the size in square pixels, before rotation.
func (s stream) shown() (width, height int64) {
	var x, y float64
	if _, err := fmt.Sscanf(s.Aspect, "%g:%g", &x, &y); err != nil || !(x > 0) || !(y > 0) {
		x, y = 1, 1
	}
	return max(1, int64(min(float64(s.Width)*x/y, 1<<31))), s.Height
}
