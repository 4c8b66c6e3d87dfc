package thumbnail

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"unicode/utf8"
)

// arity is the least and the largest number of Args of a step.
type arity struct{ least, most int }

func arities() map[Step]arity {
	return map[Step]arity{
		StepRotate: {1, 1}, StepCrop: {4, 4}, StepFlip: {}, StepBrightness: {1, 1}, StepContrast: {1, 1}, StepRGB: {3, 3},
		StepColorize: {3, 3}, StepCurve: {}, StepGrayscale: {}, StepSaturation: {1, 1}, StepEqualize: {}, StepNoise: {1, 2},
		StepBlur: {2, 2}, StepSharpen: {2, 2}, StepConvolve: {1, 1024}, StepCorners: {2, 2}, StepBackground: {}, StepFill: {},
		StepUpscale: {}, StepProportion: {1, 1}, StepWatermark: {1, 3}, StepText: {2, 2}, StepPixelate: {1, 1}, StepFrame: {}, StepRedEye: {}, StepExtend: {},
	}
}

var colour = regexp.MustCompile(`^([0-9a-f]{8})?$`)

// maxFont bounds the name of a font in bytes.
const maxFont = 60

// maxSteps is more than a URL can request.
const maxSteps = 128

// Validate returns an error for a spec that no URL can request. Specs from URLs are always valid; specs
// that people write need this check.
func (s Spec) Validate() error {
	known, _ := ParseFormat(string(s.Format))
	within := func(v, low, high int) bool { return v >= low && v <= high }
	switch {
	case s.negative() != nil:
		return s.negative()
	case s.Format != FormatAuto && s.Format != known:
		return fmt.Errorf("the format %q is unknown: write one of %v", s.Format, FormatNames(func(FormatRow) bool { return true }))
	case !within(s.Quality, 1, 100):
		return fmt.Errorf("the quality %d is not within 1…100", s.Quality)
	case s.Storyboard != nil && (!within(s.Storyboard.Columns, 1, MaxStoryboard) || !within(s.Storyboard.Rows, 1, MaxStoryboard)):
		return fmt.Errorf("the storyboard has %d columns and %d rows: write 1 to %d", s.Storyboard.Columns, s.Storyboard.Rows, MaxStoryboard)
	case s.Resize.validate() != nil:
		return s.Resize.validate()
	case s.Qualities.validate() != nil:
		return s.Qualities.validate()
	case !slices.Contains([]string{"4:2:0", "4:4:4"}, s.Chroma):
		return fmt.Errorf("the chroma_subsampling %q is unknown: write 4:2:0 or 4:4:4", s.Chroma)
	case !slices.Contains([]Fit{FitCover, FitIn, FitFull}, s.Fit), !slices.Contains([]string{"", "left", "right"}, s.HAlign),
		!slices.Contains([]string{"", "top", "bottom"}, s.VAlign):
		return fmt.Errorf("fit %q, halign %q or valign %q is unknown: write in, full or nothing; left, right or nothing; top, bottom or nothing", s.Fit, s.HAlign, s.VAlign)
	case len(s.Operations) > maxSteps || len(s.Pictures()) > MaxPictures || len(s.Focal) > maxSteps || len(s.Lang) > 35:
		return fmt.Errorf("the spec has %d operations, %d pictures and %d focal points and a lang of %d characters: at most %d, %d, %d and 35 are allowed",
			len(s.Operations), len(s.Pictures()), len(s.Focal), len(s.Lang), maxSteps, MaxPictures, maxSteps)
	case len(s.Texts()) > MaxTexts:
		return fmt.Errorf("the spec has %d texts: at most %d are allowed", len(s.Texts()), MaxTexts)
	case s.Trim != nil && !within(s.Trim.Tolerance, 0, 442):
		return fmt.Errorf("trim's tolerance %d is not within 0…442", s.Trim.Tolerance)
	}
	for _, o := range s.Operations {
		if err := o.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (s Spec) negative() error {
	for _, n := range []struct {
		name  string
		value int64
	}{{"width", int64(s.Width)}, {"height", int64(s.Height)}, {"page", int64(s.Page)}, {"max_bytes", int64(s.MaxBytes)}, {"max_animated_area", int64(s.MaxAnimatedArea)}} {
		if n.value < 0 {
			return fmt.Errorf("%s is %d: write 0 or more", n.name, n.value)
		}
	}
	return nil
}

func (o Operation) validate() error {
	takes, ok := arities()[o.Name]
	needsPicture := o.Name == StepWatermark || o.Name == StepFrame
	switch {
	case !ok:
		return fmt.Errorf("the operation %q is unknown: write one of %v", o.Name, slices.Sorted(maps.Keys(arities())))
	case len(o.Args) < takes.least || len(o.Args) > takes.most:
		return fmt.Errorf("operation %s has %d args, and takes %d to %d", o.Name, len(o.Args), takes.least, takes.most)
	case !colour.MatchString(o.Color):
		return fmt.Errorf("operation %s has the color %q: write rrggbbaa in lower-case hexadecimal digits", o.Name, o.Color)
	case needsPicture && o.Picture == nil:
		return fmt.Errorf("operation %s has no picture: name an original as its picture", o.Name)
	case !needsPicture && o.Picture != nil:
		return fmt.Errorf("operation %s has a picture, and takes none: leave the picture out", o.Name)
	case o.Name == StepConvolve && (o.Columns < 1 || len(o.Args)%o.Columns != 0):
		return fmt.Errorf("operation %s has %d columns: the number of args must be a multiple of the columns", o.Name, o.Columns)
	case o.Name == StepRotate && o.Args[0] != 90 && o.Args[0] != 180 && o.Args[0] != 270:
		return fmt.Errorf("operation %s turns by %v degrees: write 90, 180 or 270", o.Name, o.Args[0])
	case o.Name == StepCurve && len(o.Curves) != 4:
		return fmt.Errorf("operation %s has %d curves, and takes 4", o.Name, len(o.Curves))
	case (o.Name == StepText) != (o.Text != "") || utf8.RuneCountInString(o.Text) > MaxText || len(o.Font) > maxFont:
		return fmt.Errorf("operation %s has a text of %d characters and a font of %d: write 1 to %d and at most %d; other operations have no text", o.Name, utf8.RuneCountInString(o.Text), len(o.Font), MaxText, maxFont)
	case o.Name == StepText && (o.Args[1] < 1 || o.Args[1] > MaxTextSize):
		return fmt.Errorf("operation %s has the size %v: write 1 to %d", o.Name, o.Args[1], MaxTextSize)
	case o.Name == StepPixelate && o.Args[0] < 1:
		return fmt.Errorf("operation %s has squares of %v pixels: write 1 or more", o.Name, o.Args[0])
	case o.Name == StepFlip && o.Word != "x" && o.Word != "y":
		return fmt.Errorf("operation %s has the word %q: write x or y", o.Name, o.Word)
	}
	return nil
}
