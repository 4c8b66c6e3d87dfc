package tools

import (
	"io"
	"math"
	"os"
	"strings"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/librsvg"
	"github.com/thumbmill/thumbmill/renderer/internal/svg"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// unlimitedFrom is the size in bytes from which librsvg's parser runs without limits.
	// Below this size, the parser's limits stop entities that expand without end.
	unlimitedFrom = 9 << 20
	// fine is the longer side that svgPlan gives a drawing when only the proportion of the
	// sides matters.
	fine = 1 << 24
)

// drawSVG draws at the thumbnail's size. librsvg reads the text from standard input, so that
// relative references have no folder and cannot be read.
func drawSVG(t *task) error {
	if err := t.rewind(); err != nil {
		return err
	}
	facts, err := svg.Survey(t.request.Original, svg.Library{Baselines: librsvg.KnowsBaselines()}, t.request.Spec.Lang)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "cannot read the original from the renderer's disk")
	}
	if facts.Styled { // the size can differ from the root element's
		t.request.Header.Width, t.request.Header.Height = 0, 0
	}
	box, err := t.svgSize()
	if err != nil {
		return err
	}
	facts.Width = box.across(t.request.Header)
	if err := t.convertSVG(facts, box); err != nil || !t.coversBox() {
		return err
	}
	if err := t.clearOut(); err != nil {
		return err
	}
	return t.convertSVG(facts, svgBox{height: t.request.Spec.Height})
}

// convertSVG draws the text. It mends a flawed text first. The library draws if it gives the same
// picture as its program. Otherwise the program draws, and it also names the reason of a failure.
func (t *task) convertSVG(facts svg.Facts, box svgBox) error {
	if t.drawnByResvg(facts, box) {
		return nil
	}
	if done, err := t.drawnWithin(facts, box); done {
		return err
	}
	args := append([]string{"--format=png", "--accept-language=" + svg.Accept(t.request.Spec.Lang, facts.Languages)}, box.args()...)
	if t.unlimited() {
		args = append(args, "--unlimited")
	}
	if err := t.rewind(); err != nil {
		return err
	}
	c := call{program: "rsvg-convert", args: args, in: t.request.Original, out: t.request.Out}
	if facts.Flawed {
		text, end := mended(t.request.Original, facts)
		defer end()
		c.in = text
	}
	return whyNotDrawn(t.runProgram(c))
}

// mended returns the text of a drawing, changed so that librsvg draws it as browsers do. The caller
// must call end after its last read.
func mended(original *os.File, facts svg.Facts) (text io.Reader, end func()) {
	return piped(func(out io.Writer) error { return svg.Mend(out, original, facts) })
}

// piped returns the text that write writes. The caller must call end after its last read.
func piped(write func(io.Writer) error) (text io.Reader, end func()) {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.CloseWithError(write(w)) // CloseWithError never fails; the reader gets write's error
	}()
	return r, func() { _ = r.Close(); <-done }
}

// whyNotDrawn returns librsvg's error with the reason why it cannot draw the drawing.
func whyNotDrawn(err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "larger than 32767 pixels"):
		return fault.Wrap(err, fault.TooLarge, "the original would be drawn with a side of more than 32767 pixels, which is the limit of librsvg")
	case strings.Contains(err.Error(), "panicked at"):
		return fault.New(fault.Undecodable, "the original uses a filter or a shape that librsvg cannot draw")
	}
	return err
}

// svgSize returns the size at which librsvg draws. If only librsvg knows the drawing's own size,
// svgSize returns one side, and librsvg keeps the proportion.
func (t *task) svgSize() (svgBox, error) {
	s, size := t.request.Spec, t.request.Header
	natural := s.OriginalWidth || s.OriginalHeight || s.Width == 0 && s.Height == 0 ||
		s.Cuts() || s.Resize != nil && size.Width == 0 || s.Trim != nil || s.Focal != nil || s.NoUpscale || s.Meta || s.Debug // these count in the drawing's own pixels
	planned := svgPlan(t.request, natural)
	if int64(planned.Width)*int64(planned.Height) > t.request.MaxPixels {
		return svgBox{}, fault.New(fault.TooLarge, "the original would be drawn as %d × %d pixels, at most %d are allowed", planned.Width, planned.Height, t.request.MaxPixels)
	}
	switch {
	case natural:
		return svgBox{}, nil
	case s.Resize != nil:
		return svgBox{width: planned.Width, height: planned.Height}, nil
	case s.Height == 0 && size.Width > 0:
		return svgBox{width: s.Width, height: svgHeight(s, size)}, nil
	case s.Height == 0:
		return svgBox{width: s.Width}, nil
	case s.Width == 0:
		return svgBox{height: s.Height}, nil
	case s.Stretch:
		return svgBox{width: s.Width, height: s.Height}, nil
	case size.Width > 0:
		return svgBox{width: planned.Width, height: planned.Height}, nil
	case s.Adaptive:
		longer := max(s.Width, s.Height)
		return svgBox{width: longer, height: longer, keep: true}, nil
	case s.Fit == thumbnail.FitIn:
		return svgBox{width: s.Width, height: s.Height, keep: true}, nil
	}
	return svgBox{width: s.Width}, nil
}

// svgHeight returns the height of a drawing at a width. MediaWiki computes it from rounded sides
// (SVGReader, File::scaleHeight). In Thumbor's URLs, and for a drawing whose size MediaWiki does not
// know, svgHeight returns the exact height, rounded up, if the rounded sides are more than 1 pixel off.
func svgHeight(s thumbnail.Spec, h guard.Header) int {
	width := float64(s.Width)
	if h.Shown[0] > 0 && h.Shown[1] > 0 && !s.HalfToEven {
		return int(max(1, math.Round(float64(h.Shown[1])*width/float64(h.Shown[0]))))
	}
	own := h.Exact[1] / h.Exact[0] * width
	rounded := math.Round(math.Round(h.Exact[1]) * width / math.Round(h.Exact[0]))
	if !(math.Abs(rounded-own) <= 1) {
		rounded = math.Ceil(own)
	}
	return int(max(1, rounded))
}

// svgPlan returns the size to draw at, or zero if the drawing declares no size.
func svgPlan(r Request, natural bool) geometry.Size {
	if r.Header.Width == 0 {
		return geometry.Size{}
	}
	if natural {
		return geometry.Size{Width: r.Header.Width, Height: r.Header.Height}
	}
	s := r.Spec
	s.Enlarge = true
	exact := r.Header.Exact
	if s.Height == 0 && s.Resize == nil {
		return geometry.Size{Width: s.Width, Height: svgHeight(s, r.Header)}
	}
	scale := fine / max(exact[0], exact[1])
	return geometry.New(s, geometry.Size{Width: max(1, int(exact[0]*scale)), Height: max(1, int(exact[1]*scale))}).Scaled
}

// coversBox reports whether a picture that librsvg drew by its width alone is too low to fill the
// requested box.
func (t *task) coversBox() bool {
	s := t.request.Spec
	if t.request.Header.Width > 0 || s.Width == 0 || s.Height == 0 || s.Stretch || s.Adaptive || s.Fit == thumbnail.FitIn {
		return false
	}
	info, err := t.request.Out.Stat()
	if err != nil {
		return false
	}
	h, err := guard.Drawn(t.request.Out, info.Size(), t.request.MaxPixels)
	return err == nil && h.Height < s.Height
}

// clearOut deletes the output of an earlier draw.
func (t *task) clearOut() error {
	if err := t.request.Out.Truncate(0); err != nil {
		return err
	}
	_, err := t.request.Out.Seek(0, io.SeekStart)
	return err
}
