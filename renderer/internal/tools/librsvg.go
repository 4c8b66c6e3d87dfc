package tools

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"strconv"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/librsvg"
	"github.com/thumbmill/thumbmill/renderer/internal/svg"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// svgBox is the size to draw at, in pixels; librsvg finds a side of 0 itself.
type svgBox struct {
	width, height int
	keep          bool // the drawing's proportion
}

// across returns the width in pixels, as far as it is known, or 0.
func (b svgBox) across(h guard.Header) int {
	if b.width == 0 && b.height > 0 && h.Height > 0 {
		return b.height * h.Width / h.Height
	}
	return cmp.Or(b.width, h.Width)
}

// args are the options of rsvg-convert.
func (b svgBox) args() (args []string) {
	for _, side := range []struct {
		name   string
		pixels int
	}{{"width", b.width}, {"height", b.height}} {
		if side.pixels > 0 {
			args = append(args, "--"+side.name+"="+strconv.Itoa(side.pixels))
		}
	}
	if b.keep {
		args = append(args, "--keep-aspect-ratio")
	}
	return args
}

// drawnWithin draws by the library in this process, and reports whether the drawing is done with.
// If not, rsvg-convert must draw it. Errors are faults.
func (t *task) drawnWithin(facts svg.Facts, box svgBox) (done bool, err error) {
	if box.keep || t.request.Careful {
		return false, nil
	}
	text, err := t.textOfSVG(facts)
	if err != nil {
		return true, err
	}
	if len(text) > maxExpanded || hasLanguages(text) {
		return false, nil
	}
	err = librsvg.Drawing{
		Text: text, Unlimited: t.unlimited(), Width: box.width, Height: box.height, MaxPixels: t.request.MaxPixels,
	}.Write(t.request.Out)
	aborted := errors.Is(err, librsvg.ErrAborted)
	t.spent(aborted)
	return !aborted && !errors.Is(err, librsvg.ErrNotDrawn), err
}

// textOfSVG returns the text as librsvg should read it, cut after maxExpanded bytes and one.
func (t *task) textOfSVG(facts svg.Facts) ([]byte, error) {
	if err := t.rewind(); err != nil {
		return nil, err
	}
	var in io.Reader = t.request.Original
	if facts.Flawed {
		text, end := mended(t.request.Original, facts)
		defer end()
		in = text
	}
	text, err := io.ReadAll(io.LimitReader(in, maxExpanded+1))
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "the original could not be read back")
	}
	return text, nil
}

// hasLanguages reports whether the picture can depend on the reader's language. The library takes
// that from the environment of its first drawing; rsvg-convert has an option. A text with a zero
// byte is in UTF-16, in which nobody has looked for languages.
func hasLanguages(text []byte) bool {
	return bytes.IndexByte(text, 0) >= 0 || bytes.Contains(text, []byte("systemLanguage"))
}

// unlimited reports whether the drawing is so large that the parser's own limits are off.
func (t *task) unlimited() bool {
	info, err := t.request.Original.Stat()
	return err == nil && info.Size() > unlimitedFrom
}
