package objectstore

import (
	"errors"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Fault says what a store of originals means for a client when it gives none. Absence is
// the caller's to tell.
func Fault(err error) *fault.Fault {
	switch {
	case errors.Is(err, ErrRefused):
		return fault.Wrap(err, fault.Forbidden, "originals of this host are not served here")
	case errors.Is(err, ErrElsewhere):
		return fault.Wrap(err, fault.OriginalStore, "the original's own server does not give it")
	}
	return fault.Wrap(err, fault.OriginalStore, "the original's store does not answer")
}
