package tools

import (
	"io"
	"strconv"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/svg"
)

// drawnByResvg draws a drawing that librsvg cannot draw with resvg, and reports whether resvg drew it. If not, the
// output is empty. resvg is not the usual program, because it reads all fonts for each drawing, and because Wikimedia's
// thumbnails are librsvg's.
func (t *task) drawnByResvg(facts svg.Facts, box svgBox) bool {
	if !facts.Beyond || t.box.paths["resvg"] == "" || box.keep || t.rewind() != nil {
		return false
	}
	text, end := t.sized(box)
	defer end()
	args := []string{
		"--quiet", "--languages", svg.Accept(t.request.Spec.Lang, facts.Languages), "--font-family", "DejaVu Sans",
		"--sans-serif-family", "DejaVu Sans", "--serif-family", "DejaVu Serif", "--monospace-family", "DejaVu Sans Mono",
	}
	if box.height == 0 && box.width > 0 {
		args = append(args, "--width", strconv.Itoa(box.width))
	} else if box.width == 0 && box.height > 0 {
		args = append(args, "--height", strconv.Itoa(box.height))
	}
	c := call{program: "resvg", args: append(args, "-", "-c"), in: text, out: t.request.Out, within: t.request.Within / 2}
	if err := t.runProgram(c); err == nil && t.hasSides(box) {
		return true
	}
	_ = t.clearOut() // librsvg writes over the rest
	return false
}

// sized returns the text of the drawing. If both sides of the box are known, the root element has them, because
// resvg itself keeps the proportion and rounds otherwise. The caller must call end after its last read.
func (t *task) sized(box svgBox) (text io.Reader, end func()) {
	if box.width == 0 || box.height == 0 {
		return t.request.Original, func() {}
	}
	return piped(func(out io.Writer) error { return svg.Resize(out, t.request.Original, box.width, box.height) })
}

// hasSides reports whether the output is a picture with the box's sides.
func (t *task) hasSides(box svgBox) bool {
	info, err := t.request.Out.Stat()
	if err != nil {
		return false
	}
	h, err := guard.Drawn(t.request.Out, info.Size(), t.request.MaxPixels)
	return err == nil && (box.width == 0 || box.width == h.Width) && (box.height == 0 || box.height == h.Height)
}
