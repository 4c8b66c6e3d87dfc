package tools

import (
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// unlimitedFrom is the size in bytes from which librsvg's parser is told not to
// mind: below, its own limits stop entities that expand without end.
const unlimitedFrom = 9 << 20

// drawSVG draws at the thumbnail's size. The text comes by standard input, so
// that there is no place from which relative references could be read.
func drawSVG(t *task) error {
	size, err := svgCanvas(t)
	if err != nil {
		return err
	}
	args := []string{"--format=png"}
	if size != (geometry.Size{}) {
		args = append(args, "--width="+strconv.Itoa(size.Width), "--height="+strconv.Itoa(size.Height))
	}
	if info, err := t.request.Original.Stat(); err == nil && info.Size() > unlimitedFrom {
		args = append(args, "--unlimited")
	}
	if err := t.rewind(); err != nil {
		return err
	}
	return t.runProgram(call{program: "rsvg-convert", args: args, in: t.request.Original, out: t.request.Out, env: language(t.request.Spec.Lang)})
}

// language is MediaWiki's: English unless another is asked for. librsvg matches
// systemLanguage against the locale.
func language(lang string) []string {
	if lang == "" {
		lang = "en"
	}
	base, region, _ := strings.Cut(strings.ToLower(lang), "-")
	if len(region) == 2 { // as locales are called; a script or a variant is not part of it
		base += "_" + region
	}
	return []string{"LC_ALL=" + base}
}

// fine is what a drawing's sides are counted in when only their proportion
// matters: parts of a pixel.
const fine = 1000

// svgCanvas plans the size to draw at; none when the drawing tells none of its own.
func svgCanvas(t *task) (geometry.Size, error) {
	if t.request.Header.Width == 0 {
		return geometry.Size{}, nil
	}
	size := geometry.Size{Width: t.request.Header.Width, Height: t.request.Header.Height}
	s := t.request.Spec
	s.Enlarge = true
	switch {
	case s.Crop != nil || s.Trim != nil || s.Focal != nil || s.NoUpscale || s.Meta || s.Debug: // which count in the drawing's own pixels
	case s.OriginalWidth || s.OriginalHeight || s.Width == 0 && s.Height == 0:
		size = geometry.New(s, size).Scaled
	default:
		exact := t.request.Header.Exact
		scale := min(fine, 1<<30/max(exact[0], exact[1]))
		size = geometry.New(s, geometry.Size{Width: max(1, int(exact[0]*scale)), Height: max(1, int(exact[1]*scale))}).Scaled
	}
	if int64(size.Width)*int64(size.Height) > t.request.MaxPixels {
		return size, fault.New(fault.TooLarge, "the original would be drawn as %d × %d pixels; at most %d are", size.Width, size.Height, t.request.MaxPixels)
	}
	return size, nil
}
