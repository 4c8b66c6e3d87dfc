// Package animation carries the frames of an animated thumbnail from the worker that draws them to the worker that
// encodes them.
package animation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Animation holds the frames of a thumbnail in order.
type Animation struct {
	Frames []Frame
	// Loops is how often the animation plays; 0 means without end.
	Loops int
}

// Frame is one picture as a PNG, and its duration.
type Frame struct {
	PNG   []byte
	Shown time.Duration
}

const (
	// MaxFrames bounds the frames that Unmarshal accepts: libvips reads no more from a GIF.
	MaxFrames = 10_000
	// maxHeader bounds the header line, in bytes.
	maxHeader = 1 << 20
)

// header is the line in front of the pictures.
type header struct {
	Loops int     `json:"loops"`
	Sizes []int64 `json:"sizes"`    // bytes of each PNG
	Shown []int64 `json:"shown_ms"` // duration of each frame
}

// Marshal returns the frames as one file: a line of JSON, then the PNGs. It rounds durations down to milliseconds.
func (a Animation) Marshal() ([]byte, error) {
	h := header{Loops: a.Loops}
	for _, f := range a.Frames {
		h.Sizes, h.Shown = append(h.Sizes, int64(len(f.PNG))), append(h.Shown, f.Shown.Milliseconds())
	}
	file, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	file = append(file, '\n')
	for _, f := range a.Frames {
		file = append(file, f.PNG...)
	}
	return file, nil
}

// Unmarshal reads a file of Marshal. The PNGs share the file's memory. It returns an error for a broken header, a cut
// PNG, or more than MaxFrames frames.
func Unmarshal(file []byte) (Animation, error) {
	line, pictures, found := bytes.Cut(file[:min(len(file), maxHeader)], []byte("\n"))
	if !found {
		return Animation{}, fmt.Errorf("frames have no header line in their first %d bytes", maxHeader)
	}
	pictures = file[len(line)+1:]
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return Animation{}, fmt.Errorf("read the header of frames: %w", err)
	}
	if len(h.Sizes) == 0 || len(h.Sizes) > MaxFrames || len(h.Sizes) != len(h.Shown) {
		return Animation{}, fmt.Errorf("an animation has %d frames and %d durations: 1 to %d frames are allowed, each with one duration", len(h.Sizes), len(h.Shown), MaxFrames)
	}
	a := Animation{Loops: h.Loops}
	for i, size := range h.Sizes {
		if size < 0 || size > int64(len(pictures)) {
			return Animation{}, fmt.Errorf("frame %d has %d bytes, but the file has %d left: %w", i, size, len(pictures), io.ErrUnexpectedEOF)
		}
		a.Frames = append(a.Frames, Frame{PNG: pictures[:size], Shown: time.Duration(h.Shown[i]) * time.Millisecond})
		pictures = pictures[size:]
	}
	return a, nil
}
