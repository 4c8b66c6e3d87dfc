package renderjob

import "github.com/thumbmill/thumbmill/shared/fault"

// OddWidth returns the fault of a job with OwnWidthOnly whose width is not the original's own; both are in
// pixels. own is 0 for an original without an own width.
func OddWidth(asked, own int) *fault.Fault {
	if own == 0 {
		return fault.New(fault.OddSize, "%d pixels is not a standard width, and the original has no width of its own: ask for a standard width", asked)
	}
	return fault.New(fault.OddSize, "%d pixels is neither a standard width nor the original's own: ask for a standard width, or for %d pixels", asked, own)
}
