package commandline

import "errors"

// NothingThere is the error of a command that found nothing to act on, so that scripts can tell a wrong
// name from a failure.
type NothingThere struct{ Err error }

// Error returns the text of Err.
func (n NothingThere) Error() string { return n.Err.Error() }

// Unwrap returns Err.
func (n NothingThere) Unwrap() error { return n.Err }

// Status returns the exit status of a command: 0 without an error, 2 for NothingThere, else 1.
func Status(err error) int {
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(NothingThere)):
		return 2
	}
	return 1
}
