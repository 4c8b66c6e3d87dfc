package tools

import (
	"fmt"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// animateGIF resizes all frames. gifsicle exits with an error for files that it repairs,
// but it writes a picture.
func animateGIF(t *task) error {
	err := t.gifsicle(t.request.Header.Beyond)
	if fault.Of(err).Kind == fault.Undecodable && !drawn(t) && !t.request.Header.Beyond {
		err = t.gifsicle(true) // gifsicle 1.96 aborts on some frames unless it crops them
	}
	if fault.Of(err).Kind == fault.Undecodable && drawn(t) {
		return nil
	}
	return err
}

// gifsicle resizes the frames. It crops them first if the thumbnail needs a crop, or if cut is
// true: frames can reach beyond the screen.
func (t *task) gifsicle(cut bool) error {
	s, h := t.request.Spec, t.request.Header
	plan := geometry.New(s, geometry.Size{Width: h.Width, Height: h.Height})
	args := []string{"--no-warnings", "--no-comments", "--no-names", "--no-extensions",
		"--resize-colors=64"} // adds intermediate colours to a picture with few colours
	if c := plan.CutFirst(); cut || c.Width != h.Width || c.Height != h.Height {
		args = append(args, fmt.Sprintf("--crop=%d,%d+%dx%d", c.Left, c.Top, c.Width, c.Height))
	}
	if s.FlipX {
		args = append(args, "--flip-horizontal")
	}
	if s.FlipY {
		args = append(args, "--flip-vertical")
	}
	size := plan.Size()
	args = append(args, fmt.Sprintf("--resize=%dx%d", size.Width, size.Height), named)
	if h.Frames > 1 && !plan.Moves(s, h.Area(), h.Frames) {
		args = append(args, "#0")
	}
	return t.draw("gifsicle", args...)
}
