package tools

import (
	"fmt"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// animateGIF resizes all frames. gifsicle complains of files that it repairs,
// and gives a picture all the same.
func animateGIF(t *task) error {
	plan := geometry.New(t.request.Spec, geometry.Size{Width: t.request.Header.Width, Height: t.request.Header.Height})
	args := []string{"--no-warnings", "--no-comments", "--no-names", "--no-extensions",
		"--resize-colors=64"} // a picture of few colours gets those between them
	if c := plan.CutFirst(); c.Width != t.request.Header.Width || c.Height != t.request.Header.Height {
		args = append(args, fmt.Sprintf("--crop=%d,%d+%dx%d", c.Left, c.Top, c.Width, c.Height))
	}
	if t.request.Spec.FlipX {
		args = append(args, "--flip-horizontal")
	}
	if t.request.Spec.FlipY {
		args = append(args, "--flip-vertical")
	}
	args = append(args, fmt.Sprintf("--resize=%dx%d", plan.Size().Width, plan.Size().Height))
	if t.request.Header.Frames > 1 && t.request.Header.Area() > t.request.Spec.MaxAnimatedArea {
		args = append(args, named, "#0")
	} else {
		args = append(args, named)
	}
	err := t.draw("gifsicle", args...)
	if fault.Of(err).Kind == fault.Undecodable && drawn(t) {
		return nil
	}
	return err
}
