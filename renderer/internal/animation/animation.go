// Package animation carries the frames of an animated thumbnail from the worker that draws
// them to the worker whose program writes them.
package animation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Animation is the frames of a thumbnail, in their order.
type Animation struct {
	Frames []Frame
	// Loops is how often it is shown; 0 = without end.
	Loops int
}

// Frame is one picture, as a PNG, and how long it is shown.
type Frame struct {
	PNG   []byte
	Shown time.Duration
}

const (
	// MaxFrames bounds what Read takes: libvips reads no more of a GIF.
	MaxFrames = 10_000
	// maxHeader bounds the line of sizes in front of the pictures.
	maxHeader = 1 << 20
)

// header is the line in front of the pictures.
type header struct {
	Loops int     `json:"loops"`
	Sizes []int64 `json:"sizes"`    // bytes of each PNG
	Shown []int64 `json:"shown_ms"` // of each
}

// Marshal gives the frames as one file: a line of JSON, and the pictures behind it.
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

// Unmarshal reads what Marshal made. The pictures share the file's memory.
func Unmarshal(file []byte) (Animation, error) {
	line, pictures, found := bytes.Cut(file[:min(len(file), maxHeader)], []byte("\n"))
	if !found {
		return Animation{}, errors.New("frames without a header")
	}
	pictures = file[len(line)+1:]
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return Animation{}, fmt.Errorf("the header of frames: %w", err)
	}
	if len(h.Sizes) == 0 || len(h.Sizes) > MaxFrames || len(h.Sizes) != len(h.Shown) {
		return Animation{}, fmt.Errorf("%d frames with %d times: 1 to %d are allowed, each with a time", len(h.Sizes), len(h.Shown), MaxFrames)
	}
	a := Animation{Loops: h.Loops}
	for i, size := range h.Sizes {
		if size < 0 || size > int64(len(pictures)) {
			return Animation{}, fmt.Errorf("frame %d: %w", i, io.ErrUnexpectedEOF)
		}
		a.Frames = append(a.Frames, Frame{PNG: pictures[:size], Shown: time.Duration(h.Shown[i]) * time.Millisecond})
		pictures = pictures[size:]
	}
	return a, nil
}
