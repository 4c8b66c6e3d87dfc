package tools

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// localOnly has the options that limit ffmpeg to local files, so that it fetches no entries of a playlist.
var localOnly = []string{"-v", "error", "-protocol_whitelist", "file"}

// arguments returns the arguments of every run of ffmpeg and ffprobe, followed by more.
func arguments(more ...string) []string {
	return append(localOnly[:len(localOnly):len(localOnly)], more...)
}

// drawVideo draws the frame at the requested second, by default in the middle. If no frame can be
// decoded there, it draws the nearest.
func drawVideo(t *task) error {
	p, err := t.probe()
	if err != nil {
		return err
	}
	s, ok := p.film()
	if !ok {
		return fault.New(fault.Undecodable, "the original has no video")
	}
	if w, h := s.shown(); s.Width > 1<<16 || s.Height > 1<<16 || max(w*h, s.Width*s.Height) > t.request.MaxPixels {
		return fault.New(fault.TooLarge, "the original has %d × %d pixels, at most %d are allowed", w, h, t.request.MaxPixels)
	}
	film := p.span(s)
	if film.end <= film.start { // most likely an unfinished recording
		film = t.scan(p, s)
	}
	if t.request.Spec.Storyboard != nil {
		return t.storyboard(s, film)
	}
	return t.nearest(p, s, film)
}

// nearest draws the frame at the requested second. If no frame can be decoded there, the film cannot be sought, or is
// shorter than it declares. Then nearest decodes from an earlier second on, and at last tries three other frames: at
// the requested second within the true length (by default the true middle), the last keyframe before that, and the
// first frame.
func (t *task) nearest(p probe, s stream, film span) error {
	second := film.at(t.request.Spec.Page)
	if t.request.Spec.FirstFrame {
		second = film.start
	}
	err := t.frameAt(s, second, exactly)
	if err == nil || second <= 0 {
		return err
	}
	actual := t.scan(p, s)
	if err = t.frameFromBefore(s, second, actual); err == nil {
		return nil
	}
	again := min(actual.at(t.request.Spec.Page), actual.end)
	for _, try := range []struct {
		second float64
		how    string
	}{{again, exactly}, {min(second, again), fromKeyframe}, {0, exactly}} {
		if err = t.frameAt(s, max(0, try.second), try.how); err == nil {
			return nil
		}
	}
	return err
}

// frameFromBefore draws the frame at a second of a film that has frames there, but no key frame that ffmpeg finds. It
// decodes the film from some seconds before, or from its beginning.
func (t *task) frameFromBefore(s stream, second float64, actual span) error {
	err := fault.New(fault.Undecodable, "the film ends before second %.3f", second)
	if second > actual.end {
		return err
	}
	leads := []float64{min(second, longGroup)}
	if second > longGroup && second <= longestLead {
		leads = append(leads, second)
	}
	for _, lead := range leads {
		if failed := t.frame(frame{stream: s, second: second, how: exactly, lead: lead, filter: s.filters()}); failed == nil {
			return nil
		}
	}
	return err
}

const (
	// longGroup is the seconds between key frames that encoders usually write at most: 250 frames.
	longGroup = 12
	// longestLead bounds the seconds of a film that are decoded to reach a frame.
	longestLead = 60
)

// How ffmpeg seeks: to the frame itself, or to the keyframe before it.
const (
	exactly      = "-accurate_seek"
	fromKeyframe = "-noaccurate_seek"
)

// frame describes a frame to draw.
type frame struct {
	stream stream
	second float64
	how    string
	lead   float64 // the seconds before the frame from which ffmpeg decodes; 0 means from the key frame that it finds
	filter string
	opaque bool // the output is a PPM, also for pixels with alpha
	merged bool // the filter joins several streams, and names them itself
}

func (t *task) frameAt(s stream, second float64, how string) error {
	return t.frame(frame{stream: s, second: second, how: how, filter: s.filters()})
}

// frame draws a frame. It returns fault.Undecodable if ffmpeg writes no frame.
func (t *task) frame(f frame) error {
	if err := t.startOver(); err != nil {
		return err
	}
	if err := t.draw("ffmpeg", f.args()...); err != nil {
		return err
	}
	if !drawn(t) {
		return fault.New(fault.Undecodable, "no frame of the original can be decoded at second %.3f", f.second)
	}
	return nil
}

// args returns ffmpeg's arguments for the frame.
func (f frame) args() []string {
	args := arguments("-nostdin", "-threads", "1")
	if f.how != "" {
		args = append(args, f.how, "-ss", strconv.FormatFloat(f.second-f.lead, 'f', 6, 64))
	}
	args = append(append(args, f.stream.decoder()...), "-i", named, "-frames:v", "1")
	if f.lead > 0 {
		args = append(args, "-ss", strconv.FormatFloat(f.lead, 'f', 6, 64))
	}
	if f.merged {
		args = append(args, "-filter_complex", f.filter)
	} else {
		args = append(args, "-map", fmt.Sprintf("0:%d", f.stream.Index), "-vf", f.filter)
	}
	if f.opaque {
		return append(args, asPPM()...)
	}
	return append(args, f.stream.output()...)
}

// startOver deletes the output of an earlier try.
func (t *task) startOver() error {
	if err := t.request.Out.Truncate(0); err != nil {
		return err
	}
	_, err := t.request.Out.Seek(0, 0)
	return err
}

func drawn(t *task) bool {
	info, err := t.request.Out.Stat()
	return err == nil && info.Size() > 0
}

// scan returns the span of a stream by the times of all its packets. It returns an empty span if ffprobe prints no time.
func (t *task) scan(p probe, s stream) span {
	times := &packetTimes{}
	err := t.runProgram(call{program: "ffprobe", out: times, args: arguments(
		"-select_streams", strconv.Itoa(s.Index), "-show_entries", "packet=pts_time,dts_time", "-of", "csv=p=0", named)})
	if err != nil && !times.any {
		return span{}
	}
	zero := seconds(p.Format.Start)
	return span{times.first - zero, (times.first+times.last)/2 - zero, times.last - zero}
}

// packetTimes keeps the lowest and the highest time of ffprobe's lines "presentation,decoding", in seconds. Either
// time of a line may be missing.
type packetTimes struct {
	line        []byte
	any         bool
	first, last float64
}

// maxTimeLine bounds a line, in bytes. Lines with two times are shorter.
const maxTimeLine = 128

// Write never fails, so ffprobe continues to the last packet.
func (p *packetTimes) Write(b []byte) (int, error) {
	for _, c := range b {
		if c != '\n' {
			if len(p.line) < maxTimeLine {
				p.line = append(p.line, c)
			}
			continue
		}
		p.add(p.line)
		p.line = p.line[:0]
	}
	return len(b), nil
}

func (p *packetTimes) add(line []byte) {
	for field := range bytes.SplitSeq(line, []byte{','}) {
		time, err := strconv.ParseFloat(string(field), 64)
		if err != nil {
			continue
		}
		if !p.any {
			p.first, p.last, p.any = time, time, true
		}
		p.first, p.last = min(p.first, time), max(p.last, time)
		return
	}
}
