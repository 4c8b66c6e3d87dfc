package guard

import (
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// idleWorker is the address space of a worker before its first task, in bytes: libraries, and the reserve of Go.
const idleWorker = 1600 << 20

// need has the bytes of address space that libvips and a decoder take for each pixel of an original.
type need struct {
	plain, alpha    int64 // of 8 bits, and of 8 bits with alpha
	deep, deepAlpha int64 // the same for more bits
}

// needOf returns the need of a format whose decoder holds all pixels; 0 means that the caps on pixels suffice. The
// numbers are the largest growth of a worker (VmPeak) over originals of noise and of flat colours of 6 and 12
// megapixels, lossy and lossless, rounded up. docs/benchmarks.md has the measurements.
func needOf(t thumbnail.Type) need {
	switch t {
	case thumbnail.TypeJXL:
		return need{plain: 22, alpha: 52, deep: 46, deepAlpha: 74}
	case thumbnail.TypeAVIF, thumbnail.TypeHEIC:
		return need{plain: 18, alpha: 22, deep: 36, deepAlpha: 36}
	case thumbnail.TypeWebP:
		return need{plain: 12, alpha: 25}
	case thumbnail.TypePNG:
		return need{plain: 12, alpha: 12, deep: 24, deepAlpha: 24}
	}
	return need{}
}

func (n need) of(h Header) int64 {
	switch {
	case h.Deep && h.Alpha:
		return n.deepAlpha
	case h.Deep:
		return n.deep
	case h.Alpha:
		return n.alpha
	}
	return n.plain
}

// Affords returns the fault TooLarge if the decoder needs more address space for the original than a worker has.
// memory is the limit of a worker in bytes; 0 means no limit. Without this check, some decoders end their process.
func (h Header) Affords(memory int64) error {
	each := needOf(h.Type).of(h)
	if memory == 0 || each == 0 || !h.Whole {
		return nil
	}
	most := max(memory-idleWorker, memory/8) / each
	if int64(h.Width)*int64(h.Height) <= most {
		return nil
	}
	return fault.New(fault.TooLarge, "the original has %d × %d pixels; at most %d pixels are allowed for this kind of %s", h.Width, h.Height, most, h.Type).
		Remedied("raise renderer.memory_limit: the decoder takes up to %d bytes for each pixel", each)
}
