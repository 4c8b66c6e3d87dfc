package thumbnail

import (
	"fmt"
	"regexp"
	"slices"
)

// arity is how many Args a step takes, at least and at most.
type arity struct{ least, most int }

func arities() map[Step]arity {
	return map[Step]arity{
		StepRotate: {1, 1}, StepCrop: {4, 4}, StepFlip: {}, StepBrightness: {1, 1}, StepContrast: {1, 1}, StepRGB: {3, 3},
		StepColorize: {3, 3}, StepCurve: {}, StepGrayscale: {}, StepSaturation: {1, 1}, StepEqualize: {}, StepNoise: {1, 2},
		StepBlur: {2, 2}, StepSharpen: {2, 2}, StepConvolve: {1, 1024}, StepCorners: {2, 2}, StepBackground: {}, StepFill: {},
		StepUpscale: {}, StepProportion: {1, 1}, StepWatermark: {1, 3}, StepFrame: {}, StepRedEye: {},
	}
}

var colour = regexp.MustCompile(`^([0-9a-f]{8})?$`)

// maxSteps is more than a URL can ask for.
const maxSteps = 128

// Validate says what a spec holds that no URL could ask for. Specs from URLs need no
// checking; those that somebody wrote do.
func (s Spec) Validate() error {
	known, _ := ParseFormat(string(s.Format))
	within := func(v, low, high int) bool { return v >= low && v <= high }
	switch {
	case s.Width < 0 || s.Height < 0 || s.Page < 0 || s.MaxBytes < 0 || s.MaxAnimatedArea < 0:
		return fmt.Errorf("a number is below 0")
	case s.Format != FormatAuto && s.Format != known:
		return fmt.Errorf("format %q is none of %v", s.Format, FormatNames(func(FormatRow) bool { return true }))
	case !within(s.Quality, 1, 100):
		return fmt.Errorf("the quality %d is not within 1…100", s.Quality)
	case s.Qualities.validate() != nil:
		return s.Qualities.validate()
	case !slices.Contains([]string{"4:2:0", "4:4:4"}, s.Chroma):
		return fmt.Errorf("chroma_subsampling %q", s.Chroma)
	case !slices.Contains([]Fit{FitCover, FitIn, FitFull}, s.Fit), !slices.Contains([]string{"", "left", "right"}, s.HAlign),
		!slices.Contains([]string{"", "top", "bottom"}, s.VAlign):
		return fmt.Errorf("fit %q, halign %q or valign %q", s.Fit, s.HAlign, s.VAlign)
	case len(s.Operations) > maxSteps || len(s.Pictures()) > MaxPictures || len(s.Focal) > maxSteps || len(s.Lang) > 35:
		return fmt.Errorf("too many operations, pictures or focal points")
	case s.Trim != nil && !within(s.Trim.Tolerance, 0, 442):
		return fmt.Errorf("trim's tolerance is not within 0…442")
	}
	for _, o := range s.Operations {
		if err := o.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (o Operation) validate() error {
	takes, ok := arities()[o.Name]
	needsPicture := o.Name == StepWatermark || o.Name == StepFrame
	switch {
	case !ok:
		return fmt.Errorf("operation %q", o.Name)
	case len(o.Args) < takes.least || len(o.Args) > takes.most:
		return fmt.Errorf("operation %s with %d args", o.Name, len(o.Args))
	case !colour.MatchString(o.Color):
		return fmt.Errorf("operation %s with the color %q", o.Name, o.Color)
	case needsPicture != (o.Picture != nil):
		return fmt.Errorf("operation %s and its picture", o.Name)
	case o.Name == StepConvolve && (o.Columns < 1 || len(o.Args)%o.Columns != 0):
		return fmt.Errorf("operation %s with %d columns", o.Name, o.Columns)
	case o.Name == StepRotate && o.Args[0] != 90 && o.Args[0] != 180 && o.Args[0] != 270:
		return fmt.Errorf("operation %s by %v", o.Name, o.Args[0])
	case o.Name == StepCurve && len(o.Curves) != 4:
		return fmt.Errorf("operation %s with %d curves", o.Name, len(o.Curves))
	case o.Name == StepFlip && o.Word != "x" && o.Word != "y":
		return fmt.Errorf("operation %s over %q", o.Name, o.Word)
	}
	return nil
}
