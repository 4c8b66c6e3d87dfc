package tools

import (
	"bytes"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/svg"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// unlimitedFrom is the size in bytes from which librsvg's parser is told not to
	// mind: below, its own limits stop entities that expand without end.
	unlimitedFrom = 9 << 20
	// fine is what the longer side of a drawing is counted in when only the proportion of
	// its sides matters.
	fine = 1 << 24
)

// drawSVG draws at the thumbnail's size. The text comes by standard input, so
// that there is no place from which relative references could be read.
func drawSVG(t *task) error {
	if err := t.rewind(); err != nil {
		return err
	}
	facts, err := svg.Survey(t.request.Original)
	if err != nil {
		return fault.Wrap(err, fault.Internal, "the original could not be read back")
	}
	if facts.Styled { // and its size is perhaps not what its root says
		t.request.Header.Width, t.request.Header.Height = 0, 0
	}
	args, err := t.svgSize()
	if err != nil {
		return err
	}
	if err := t.convertSVG(facts, args); err != nil || !t.coversBox() {
		return err
	}
	if err := t.clearOut(); err != nil {
		return err
	}
	return t.convertSVG(facts, []string{side("height", t.request.Spec.Height)})
}

func side(name string, pixels int) string { return "--" + name + "=" + strconv.Itoa(pixels) }

// convertSVG has librsvg draw the text, mended where it has to be.
func (t *task) convertSVG(facts svg.Facts, args []string) error {
	args = append([]string{"--format=png", "--accept-language=" + svg.Accept(t.request.Spec.Lang, facts.Languages)}, args...)
	if info, err := t.request.Original.Stat(); err == nil && info.Size() > unlimitedFrom {
		args = append(args, "--unlimited")
	}
	if err := t.rewind(); err != nil {
		return err
	}
	c := call{program: "rsvg-convert", args: args, in: t.request.Original, out: t.request.Out}
	if facts.Flawed {
		text, end := mended(t.request.Original)
		defer end()
		c.in = text
	}
	return whyNotDrawn(t.runProgram(c))
}

// mended gives the text of a drawing as librsvg should read it. end is called when no more
// of it is read.
func mended(original *os.File) (text io.Reader, end func()) {
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.CloseWithError(svg.Mend(w, original)) // which fails at the end alone
	}()
	return r, func() { _ = r.Close(); <-done }
}

// whyNotDrawn names what of a drawing librsvg cannot draw.
func whyNotDrawn(err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "larger than 32767 pixels"):
		return fault.Wrap(err, fault.TooLarge, "the original would be drawn with a side of more than 32767 pixels")
	case strings.Contains(err.Error(), "panicked at"):
		return fault.New(fault.Undecodable, "the original uses a filter or a shape that librsvg cannot draw")
	}
	return err
}

// svgSize is what librsvg is told of the size to draw at. Where only librsvg knows the
// drawing's own size, it is told one side and keeps the proportion.
func (t *task) svgSize() ([]string, error) {
	s, size := t.request.Spec, t.request.Header
	natural := s.OriginalWidth || s.OriginalHeight || s.Width == 0 && s.Height == 0 ||
		s.Crop != nil || s.Trim != nil || s.Focal != nil || s.NoUpscale || s.Meta || s.Debug // which count in the drawing's own pixels
	planned := svgPlan(t.request, natural)
	if int64(planned.Width)*int64(planned.Height) > t.request.MaxPixels {
		return nil, fault.New(fault.TooLarge, "the original would be drawn as %d × %d pixels; at most %d are", planned.Width, planned.Height, t.request.MaxPixels)
	}
	switch {
	case natural:
		return nil, nil
	case s.Height == 0 && size.Width > 0:
		return []string{side("width", s.Width), side("height", svgHeight(s, size))}, nil
	case s.Height == 0:
		return []string{side("width", s.Width)}, nil
	case s.Width == 0:
		return []string{side("height", s.Height)}, nil
	case s.Stretch:
		return []string{side("width", s.Width), side("height", s.Height)}, nil
	case size.Width > 0:
		return []string{side("width", planned.Width), side("height", planned.Height)}, nil
	case s.Adaptive:
		longer := max(s.Width, s.Height)
		return []string{side("width", longer), side("height", longer), "--keep-aspect-ratio"}, nil
	case s.Fit == thumbnail.FitIn:
		return []string{side("width", s.Width), side("height", s.Height), "--keep-aspect-ratio"}, nil
	}
	return []string{side("width", s.Width)}, nil
}

// svgHeight is the height of a drawing at a width, as MediaWiki has it (File::scaleHeight): from
// sides that are rounded before. Thumbor's language has the drawing's own where that is far from
// it, and so have drawings for which MediaWiki has no size.
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

// svgPlan is the size to draw at, or zero when the drawing tells none of its own.
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
	if s.Height == 0 {
		return geometry.Size{Width: s.Width, Height: svgHeight(s, r.Header)}
	}
	scale := fine / max(exact[0], exact[1])
	return geometry.New(s, geometry.Size{Width: max(1, int(exact[0]*scale)), Height: max(1, int(exact[1]*scale))}).Scaled
}

// coversBox reports whether what was drawn by its width alone lacks height to fill the box
// that is asked for.
func (t *task) coversBox() bool {
	s := t.request.Spec
	if t.request.Header.Width > 0 || s.Width == 0 || s.Height == 0 || s.Stretch || s.Adaptive || s.Fit == thumbnail.FitIn {
		return false
	}
	var head [64]byte
	n, _ := t.request.Out.ReadAt(head[:], 0)
	h, err := guard.Drawn(bytes.NewReader(head[:n]), int64(n), t.request.MaxPixels)
	return err == nil && h.Height < s.Height
}

// clearOut forgets what was drawn.
func (t *task) clearOut() error {
	if err := t.request.Out.Truncate(0); err != nil {
		return err
	}
	_, err := t.request.Out.Seek(0, io.SeekStart)
	return err
}
