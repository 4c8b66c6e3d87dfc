package tools

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/renderer/internal/geometry"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
)

const (
	// pageDPI is Wikimedia's: a page is drawn at 150 dots an inch and then resized.
	pageDPI = 150
	// leastSide is what the shorter side of a page has at least, in pixels, however small the
	// page: rounding changes its proportion by half a percent at most.
	leastSide = 200
	// coarser is how many times fewer dots a page has that took too long.
	coarser = 3
	// patient is the time from which on a page is given a second try, at fewer dots, within it.
	patient = 10 * time.Second
)

// pdfPage is one page of a PDF.
type pdfPage struct {
	number        int
	width, height float64 // points, as it is shown: turned
	media         bool    // the page has no area but its media box
}

// drawPDF draws one page, at fewer dots when it would have too many of them, or takes too
// long.
func drawPDF(t *task) error {
	p, err := t.pdfPage()
	if err != nil {
		return err
	}
	if t.request.Sides != nil {
		*t.request.Sides = objectstore.Sides{p.width, p.height}
	}
	dpi := dpiFor(p.width, p.height, float64(t.request.MaxPixels))
	if dpi < 1 {
		return fault.New(fault.TooLarge, "page %d of the original has %.0f × %.0f points", p.number, p.width, p.height)
	}
	if t.request.Within < patient {
		return t.drawPage(p, dpi, 0)
	}
	err = t.drawPage(p, dpi, t.request.Within/2)
	if !fault.Is(err, fault.Overran) {
		return err
	}
	if err := t.clearOut(); err != nil {
		return err
	}
	return t.drawPage(p, dpi/coarser, 0)
}

// drawPage draws with poppler; and with MuPDF, where that is installed, what poppler
// complains of and leaves blank.
func (t *task) drawPage(p pdfPage, dpi float64, within time.Duration) error {
	number := strconv.Itoa(p.number)
	args := append(p.scaled(t.request, dpi), "-aaVector", "no", "-f", number, "-l", number, "-singlefile", named)
	if !p.media {
		args = append([]string{"-cropbox"}, args...)
	}
	err := t.runProgram(call{program: "pdftoppm", args: args, out: t.request.Out, within: within})
	if err != nil || t.complaint.Len() == 0 || t.box.paths["mutool"] == "" || !t.isBlank() {
		return err
	}
	if err := t.clearOut(); err != nil {
		return err
	}
	return t.draw("mutool", "draw", "-q", "-r", fmt.Sprintf("%.3f", dpi), "-F", "ppm", "-o", "-", named, number)
}

// pdfPage finds the page that is asked for, and its size.
func (t *task) pdfPage() (pdfPage, error) {
	info, err := t.textOf("pdfinfo", named)
	if err != nil {
		return pdfPage{}, err
	}
	p := pdfPage{number: present(t.request.Spec.Page, number(info, "Pages:"))}
	page := strconv.Itoa(p.number)
	if info, err = t.textOf("pdfinfo", "-box", "-f", page, "-l", page, named); err != nil {
		return p, err
	}
	p.width, p.height = pageSize(info)
	if !(p.width > 0) || !(p.height > 0) { // its crop box lies outside of its media box, which counts then
		p.media = true
		p.width, p.height = mediaBox(info)
	}
	if !(p.width > 0) || !(p.height > 0) || math.IsInf(p.width*p.height, 0) {
		return p, fault.New(fault.Undecodable, "page %d of the original has no size", p.number)
	}
	if pageTurn(info)%180 != 0 {
		p.width, p.height = p.height, p.width
	}
	return p, nil
}

// scaled tells pdftoppm how many dots to draw: an inch, or on each side when rounding those
// up would give a thumbnail of that width another height than the page's own.
func (p pdfPage) scaled(r Request, dpi float64) []string {
	w, h := math.Ceil(p.width*dpi/72), math.Ceil(p.height*dpi/72)
	s := r.Spec
	if s.Width > 0 && s.Height == 0 && geometry.Plain(s) && s.Crop == nil {
		wanted := geometry.HeightOf(s, [2]float64{p.width, p.height})
		planned := geometry.New(s, geometry.Size{Width: int(w), Height: int(h)}).Scaled
		right := math.Round(float64(wanted) * w / float64(s.Width))
		if planned.Width == s.Width && planned.Height != wanted && right >= 1 {
			return []string{"-scale-to-x", strconv.Itoa(int(w)), "-scale-to-y", strconv.Itoa(int(right))}
		}
	}
	return []string{"-r", fmt.Sprintf("%.3f", dpi)}
}

// dpiFor is pageDPI, or more for a page that has less than leastSide by it, and so few that
// a page of that many points has at most maxPixels. pdftoppm rounds each side up.
func dpiFor(width, height, maxPixels float64) float64 {
	dpi := max(pageDPI, leastSide*72/min(width, height))
	dpi = min(dpi, max(pageDPI, 32*leastSide*72/max(width, height)), 72*math.Sqrt(maxPixels/(width*height))*0.999)
	dpi = math.Floor(dpi*1000) / 1000 // as it is told
	for dpi >= 1 && math.Ceil(width*dpi/72)*math.Ceil(height*dpi/72) > maxPixels {
		dpi *= 0.999
	}
	return dpi
}

// pageSize reads the last "Page    3 size:  792 x 612 pts (letter)", in points.
func pageSize(info string) (width, height float64) {
	for line := range strings.Lines(info) {
		_, rest, ok := strings.Cut(line, " size:")
		if !ok || !strings.HasPrefix(line, "Page") {
			continue
		}
		var w, h float64
		if _, err := fmt.Sscanf(rest, "%g x %g pts", &w, &h); err == nil {
			width, height = w, h
		}
	}
	return width, height
}

// pageTurn reads the last "Page    3 rot:  90", in degrees.
func pageTurn(info string) (degrees int) {
	for line := range strings.Lines(info) {
		if _, rest, ok := strings.Cut(line, " rot:"); ok && strings.HasPrefix(line, "Page") {
			degrees, _ = strconv.Atoi(strings.TrimSpace(rest))
		}
	}
	return degrees
}

// mediaBox reads the last "Page    3 MediaBox:  0.00  0.00  300.00  200.00", in points.
func mediaBox(info string) (width, height float64) {
	for line := range strings.Lines(info) {
		_, rest, ok := strings.Cut(line, " MediaBox:")
		if !ok || !strings.HasPrefix(line, "Page") {
			continue
		}
		var left, bottom, right, top float64
		if _, err := fmt.Sscan(rest, &left, &bottom, &right, &top); err == nil {
			width, height = right-left, top-bottom
		}
	}
	return width, height
}

// isBlank reports whether all of the raster that was drawn is white.
func (t *task) isBlank() bool {
	info, err := t.request.Out.Stat()
	if err != nil {
		return false
	}
	h, err := guard.Drawn(t.request.Out, info.Size(), t.request.MaxPixels)
	if err != nil || h.Type != guard.TypeRaster {
		return false
	}
	white := bytes.Repeat([]byte{255}, 64<<10)
	buffer := make([]byte, len(white))
	pixels := io.NewSectionReader(t.request.Out, h.Offset, info.Size()-h.Offset)
	for {
		n, err := pixels.Read(buffer)
		if !bytes.Equal(buffer[:n], white[:n]) {
			return false
		}
		if err != nil {
			return true
		}
	}
}
