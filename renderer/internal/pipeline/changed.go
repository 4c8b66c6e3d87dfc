package pipeline

import (
	"errors"

	"github.com/thumbmill/thumbmill/renderer/internal/source"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// blameChange says of a render, whatever became of it, when its original was written to under
// way: that is no failure of the original, and no picture of it. A job that is handed on stays so.
func blameChange(original *source.Original, err error) error {
	var f *fault.Fault
	about := err == nil || errors.As(err, &f) || errors.Is(err, worker.ErrDied)
	if !about || !original.Changed() {
		return err
	}
	return fault.Wrap(err, fault.OriginalStore, "the original was written to while it was rendered")
}
