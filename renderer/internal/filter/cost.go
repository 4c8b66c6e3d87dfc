package filter

import (
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// mostWork of the filters of one picture, in nanoseconds of processor time by cost:
// below what a render may take with its decoding and encoding.
const mostWork = 12e9

// cost of a step in nanoseconds a pixel, measured with 24 megapixels on one core of a
// virtual Xeon, rounded up.
func cost(o thumbnail.Operation, env Env) float64 {
	switch o.Name {
	case thumbnail.StepSharpen:
		if o.On {
			return 110
		}
		return 260
	case thumbnail.StepBlur:
		return 30 + 14*min(o.Args[0], wideBlur)
	case thumbnail.StepConvolve:
		return 10 + 6*float64(len(o.Args))
	case thumbnail.StepFill:
		if o.Word == "blur" {
			return 300
		}
		return 60
	case thumbnail.StepFrame, thumbnail.StepWatermark:
		return 60
	case thumbnail.StepNoise, thumbnail.StepSaturation:
		return 40
	case thumbnail.StepRedEye:
		return 30 * float64(len(env.Faces))
	}
	return 10
}

// Budget is the work of all steps of one render. The zero value is a whole one.
type Budget struct{ spent float64 }

// Spend takes nanoseconds a pixel for a picture. It refuses (BadURL) what would take
// longer than a render may, with what was done before.
func (b *Budget) Spend(perPixel float64, width, height int) error {
	b.spent += perPixel * float64(width) * float64(height)
	if b.spent > mostWork {
		return fault.New(fault.BadURL, "these filters would take too long on a picture of %d × %d pixels", width, height)
	}
	return nil
}

// Repeats reports whether what was spent so far may be spent on so many pictures.
func (b *Budget) Repeats(times int) bool { return b.spent*float64(times) <= mostWork }
