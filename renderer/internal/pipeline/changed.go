package pipeline

import (
	"errors"

	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// blameChange returns an OriginalStore fault if a program wrote to the original during the render,
// whether the render failed or not: the original did not fail, and the picture is not a picture of it.
// Else it returns err. It also returns err for a job that goes to another renderer.
func blameChange(original *source.Original, err error) error {
	var f *fault.Fault
	about := err == nil || errors.As(err, &f) || errors.Is(err, worker.ErrDied)
	if !about || !original.Changed() {
		return err
	}
	return fault.Wrap(err, fault.OriginalStore, "the original changed during the render: ask again")
}
