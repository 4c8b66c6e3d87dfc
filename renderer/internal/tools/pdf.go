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
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// pageDPI is the resolution in dots per inch at which Wikimedia draws a page before a resize.
	pageDPI = 150
	// leastSide is the minimum of a page's shorter side, in pixels. At this size, rounding
	// changes the page's proportion by half a percent at most.
	leastSide = 200
	// clearSide is leastSide for thumbnails of a given width alone. poppler rounds the places of glyphs to
	// pixels, which shows in the text of small pages.
	clearSide = 420
	// coarser divides the dots per inch of a page that took too long.
	coarser = 3
	// patient is the minimum limit of time that leaves room for a third program.
	patient = 10 * time.Second
	// tries divides the time of a slow page: poppler, MuPDF, poppler at fewer dots.
	tries = 3
)

// pdfPage is one page of a PDF.
type pdfPage struct {
	number        int
	width, height float64 // points, as viewers show the page: after rotation
	media         bool    // the crop box has no area: the media box counts
	turned        bool    // viewers turn the page by a quarter
}

// drawPDF draws one page, with fewer dots per inch if the page would have too many pixels. Where MuPDF is installed,
// MuPDF draws files whose pages poppler cannot find, pages with fonts or paints that poppler draws wrongly, and pages
// that take poppler a third of the task's time. If MuPDF fails too, the page is drawn at fewer dots.
func drawPDF(t *task) error {
	p, err := t.pdfPage()
	if fault.Is(err, fault.Undecodable) && t.fileByMuPDF(t.countable(), t.bounded(), max(1, t.request.Spec.Page), 0) == nil {
		return nil
	}
	if err != nil {
		return err
	}
	if t.request.Sides != nil {
		*t.request.Sides = objectstore.Sides{p.width, p.height}
	}
	least := leastSide
	if s := t.request.Spec; widthAlone(s) && s.Fit == "" { // a fit does not enlarge the page
		least = clearSide
	}
	dpi := dpiFor(p.width, p.height, float64(least), float64(t.request.MaxPixels))
	if dpi < 1 {
		return fault.New(fault.TooLarge, "page %d of the original has %.0f × %.0f points; it exceeds the limit of %d pixels even at 1 dot per inch", p.number, p.width, p.height, t.request.MaxPixels)
	}
	return t.drawByEither(p, dpi)
}

// drawByEither draws with poppler or MuPDF, within the task's time. A brief try leaves the
// last third for the thumbnail.
func (t *task) drawByEither(p pdfPage, dpi float64) error {
	brief := t.request.Within < patient
	within := t.request.Within / tries
	if brief && t.box.paths["mutool"] == "" {
		within = 0
	}
	suitsMuPDF := t.suitsMuPDF(p.number)
	if suitsMuPDF && t.drawnByMuPDF(p.forMuPDF(t.request, dpi), p.number, within) == nil {
		return nil
	}
	err := t.drawPage(p, dpi, within)
	if !fault.Is(err, fault.Overran) {
		return err
	}
	if !suitsMuPDF && t.drawnByMuPDF(p.forMuPDF(t.request, dpi), p.number, within) == nil {
		return nil
	}
	if brief {
		return err
	}
	if err := t.clearOut(); err != nil {
		return err
	}
	return t.drawPage(p, dpi/coarser, 0)
}

// drawPage draws with poppler. If poppler leaves the page blank, or reports an error that makes pages wrong, MuPDF
// draws the page, where MuPDF is installed.
func (t *task) drawPage(p pdfPage, dpi float64, within time.Duration) error {
	number := strconv.Itoa(p.number)
	args := append(p.scaled(t.request, dpi), "-aaVector", "no", "-f", number, "-l", number, "-singlefile", named)
	if !p.media {
		args = append([]string{"-cropbox"}, args...)
	}
	if t.hasOnlyLinks(p.number) {
		args = append([]string{"-hide-annotations"}, args...)
	}
	err := t.runProgram(call{program: "pdftoppm", args: args, out: t.request.Out, within: within})
	if err != nil || !misdrawn(t.complaint.String()) && !t.isBlank() {
		return err
	}
	err = t.drawnByMuPDF(p.forMuPDF(t.request, dpi), p.number, 0)
	if fault.Is(err, fault.Overran) {
		return err
	}
	return nil // if MuPDF draws no page either, poppler's page counts
}

func resolution(dpi float64) []string { return []string{"-r", fmt.Sprintf("%.3f", dpi)} }

// pdfPage returns the requested page, or the first if the original has no such page. It returns fault.Undecodable for
// a page without a size.
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
	if !(p.width > 0) || !(p.height > 0) { // the crop box lies outside the media box, so the media box counts
		p.media = true
		p.width, p.height = mediaBox(info)
	}
	if !(p.width > 0) || !(p.height > 0) || math.IsInf(p.width*p.height, 0) {
		return p, fault.New(fault.Undecodable, "page %d of the original has no size", p.number)
	}
	if pageTurn(info)%180 != 0 {
		p.turned = true
		p.width, p.height = p.height, p.width
	}
	return p, nil
}

// widthAlone reports whether the spec's width decides the size of the thumbnail, without the size of the page.
func widthAlone(s thumbnail.Spec) bool {
	return s.Width > 0 && s.Height == 0 && geometry.Plain(s) && !s.Cuts() && s.Resize == nil
}

// scaled returns pdftoppm's options for the resolution: dots per inch, or the pixels of both sides.
func (p pdfPage) scaled(r Request, dpi float64) []string {
	x, y := p.exactSides(r, dpi)
	switch {
	case x == 0:
		return resolution(dpi)
	case p.turned: // pdftoppm counts the sides before it turns the page
		x, y = y, x
	}
	return []string{"-scale-to-x", strconv.Itoa(x), "-scale-to-y", strconv.Itoa(y)}
}

// exactSides returns the pixels of both sides if a rounded-up side would change the height of a thumbnail of the
// requested width, and otherwise zeros.
func (p pdfPage) exactSides(r Request, dpi float64) (x, y int) {
	w, h := math.Ceil(p.width*dpi/72), math.Ceil(p.height*dpi/72)
	s := r.Spec
	if !widthAlone(s) {
		return 0, 0
	}
	wanted := geometry.HeightOf(s, [2]float64{p.width, p.height})
	planned := geometry.New(s, geometry.Size{Width: int(w), Height: int(h)}).Scaled
	right := math.Round(float64(wanted) * w / float64(s.Width))
	if planned.Width != s.Width || planned.Height == wanted || right < 1 {
		return 0, 0
	}
	return int(w), int(right)
}

// dpiFor returns the dots per inch for a page of width × height points. They are pageDPI, or more if the page's
// shorter side would have less than least pixels, or less if the page would have more than maxPixels pixels.
// More than pageDPI give the longer side at most 32 × leastSide pixels. pdftoppm rounds each side up.
func dpiFor(width, height, least, maxPixels float64) float64 {
	dpi := max(pageDPI, least*72/min(width, height))
	dpi = min(dpi, max(pageDPI, 32*leastSide*72/max(width, height)), 72*math.Sqrt(maxPixels/(width*height))*0.999)
	dpi = math.Floor(dpi*1000) / 1000 // scaled passes three decimals
	for dpi >= 1 && math.Ceil(width*dpi/72)*math.Ceil(height*dpi/72) > maxPixels {
		dpi *= 0.999
	}
	return dpi
}

// pageSize returns the size in the last line such as "Page    3 size:  792 x 612 pts (letter)", in points.
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

// pageTurn returns the rotation in the last line such as "Page    3 rot:  90", in degrees.
func pageTurn(info string) (degrees int) {
	for line := range strings.Lines(info) {
		if _, rest, ok := strings.Cut(line, " rot:"); ok && strings.HasPrefix(line, "Page") {
			degrees, _ = strconv.Atoi(strings.TrimSpace(rest))
		}
	}
	return degrees
}

// mediaBox returns the size in the last line such as "Page    3 MediaBox:  0.00  0.00  300.00  200.00", in points.
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

// isBlank reports whether all pixels of the drawn raster are white.
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
