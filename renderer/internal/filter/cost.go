package filter

import (
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// mostWork bounds the filters of one picture, in nanoseconds of processor time by cost. It is below a render's limit,
// which includes decoding and encoding.
const mostWork = 12e9

// cost returns the cost of a step in nanoseconds per pixel. The numbers were measured with 24 megapixels on one core
// of a virtual Xeon, and rounded up.
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
	case thumbnail.StepFrame, thumbnail.StepWatermark, thumbnail.StepText:
		return 60
	case thumbnail.StepNoise, thumbnail.StepSaturation:
		return 40
	case thumbnail.StepRedEye:
		return 30 * float64(len(env.Faces))
	}
	return 10
}

// Budget counts the work of all steps of one render. The zero value is a full budget.
type Budget struct{ spent float64 }

// Spend adds the cost of a step, in nanoseconds per pixel. It returns the fault BadURL when the work so far exceeds a
// render's limit.
func (b *Budget) Spend(perPixel float64, width, height int) error {
	b.spent += perPixel * float64(width) * float64(height)
	if b.spent > mostWork {
		return fault.New(fault.BadURL, "the filters take too long on a picture of %d × %d pixels: use fewer filters or a smaller size", width, height)
	}
	return nil
}

// Repeats reports whether the budget covers the work so far for as many pictures as times.
func (b *Budget) Repeats(times int) bool { return b.spent*float64(times) <= mostWork }
