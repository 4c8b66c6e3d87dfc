package tools

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// surveyTime bounds a program that tells what a page has. A page without an answer is drawn by poppler.
const surveyTime = time.Second

// survey returns the output of a program that describes the original, at most maxText bytes, or "" if the program fails.
func (t *task) survey(program string, args ...string) string {
	var text bytes.Buffer
	if t.box.paths[program] == "" || t.runProgram(call{program: program, args: args, out: &limited{to: &text, left: maxText}, within: surveyTime}) != nil {
		return ""
	}
	return text.String()
}

// suitsMuPDF reports whether MuPDF draws the page better, as far as fonts, images and patterns tell.
func (t *task) suitsMuPDF(page int) bool {
	return t.box.paths["mutool"] != "" && (t.lacksFonts(page) || t.hasOddPaint(page))
}

// lacksFonts reports whether MuPDF draws the page's text better, because a font is missing in the file and poppler
// replaces the font by one with other widths or other glyphs.
func (t *task) lacksFonts(page int) bool {
	number := strconv.Itoa(page)
	fonts := strings.Split(t.survey("pdffonts", "-f", number, "-l", number, named), "\n")
	return slices.ContainsFunc(fonts, misplaced)
}

// hasOddPaint reports whether the page has a paint that poppler draws wrongly.
func (t *task) hasOddPaint(page int) bool {
	return oddPaint.MatchString(t.survey("mutool", "info", "-I", "-P", named, strconv.Itoa(page)))
}

// A line of mutool info about an image in calibrated grey, as scanners write it, or about a tiling pattern. poppler
// ignores the white point of the former and tints the paper; it draws cells of the latter as small bitmaps.
var oddPaint = regexp.MustCompile(`(?m)^\t\d+\t\(\d+ 0 R\):\t(\[.*\] \d+x\d+ \d+bpc CalGray |Tiling )`)

// A line of pdffonts: name, type, encoding, and whether the font is embedded, a subset, and mapped to Unicode.
var fontLine = regexp.MustCompile(`^(.*?\S) +((?:Type|CID|TrueType)(?:.*\S)?) +(\S+) +(yes|no) +(yes|no) +(yes|no) `)

// misplaced reports whether poppler has no good substitute for the font in a line of pdffonts. It has substitutes for
// the standard fonts and their usual names, and for mapped CID fonts; it also knows the encodings of CJK fonts.
func misplaced(line string) bool {
	f := fontLine.FindStringSubmatch(line)
	if f == nil || f[4] == "yes" || standardFont.MatchString(f[1]) {
		return false
	}
	if strings.HasPrefix(f[2], "CID") {
		return strings.HasPrefix(f[3], "Identity") && f[6] == "no"
	}
	return true
}

var standardFont = regexp.MustCompile(`^((Arial|Courier|CourierNew|Helvetica|TimesNewRoman)(PS)?(MT)?(-?(Bold)?(Italic|Oblique)?(MT)?)|Times-(Roman|Bold|Italic|BoldItalic)|Symbol|ZapfDingbats)$`)

// hasOnlyLinks reports whether all annotations of a page are links. poppler draws frames around links; browsers and
// MuPDF do not.
func (t *task) hasOnlyLinks(page int) bool {
	kinds := strings.Fields(t.survey("mutool", "show", named, "pages/"+strconv.Itoa(page)+"/Annots/*/Subtype"))
	return len(kinds) > 0 && !slices.ContainsFunc(kinds, func(kind string) bool { return kind != "/Link" })
}

// misdrawn reports whether poppler's messages name an error after which MuPDF's page is better. After poppler's other
// errors, its own page is as often the better one.
func misdrawn(said string) bool {
	errors := []string{"Mismatch between font type and embedded font file", "Type mismatch in PostScript function"}
	return slices.ContainsFunc(errors, func(e string) bool { return strings.Contains(said, e) })
}

// forMuPDF returns mutool's options for the size of a page.
func (p pdfPage) forMuPDF(r Request, dpi float64) []string {
	x, y := p.exactSides(r, dpi)
	if x == 0 {
		return resolution(dpi)
	}
	return []string{"-f", "-w", strconv.Itoa(x), "-h", strconv.Itoa(y)}
}

// bounded returns mutool's options for a page of unknown size: pageDPI, or less if the page would have too many pixels.
func (t *task) bounded() []string {
	side := strconv.Itoa(int(math.Sqrt(float64(t.request.MaxPixels))))
	return []string{"-r", strconv.Itoa(pageDPI), "-w", side, "-h", side}
}

// drawnByMuPDF draws a page with MuPDF, within a time; 0 means only the task's own limit. If that fails, the output
// stays as it is.
func (t *task) drawnByMuPDF(size []string, page int, within time.Duration) error {
	return t.fileByMuPDF(named, size, page, within)
}

// fileByMuPDF draws a page of a file, as drawnByMuPDF draws the original's.
func (t *task) fileByMuPDF(file string, size []string, page int, within time.Duration) error {
	if t.box.paths["mutool"] == "" {
		return fault.New(fault.Unsupported, "this renderer has no MuPDF")
	}
	const drawn = "page.ppm"
	args := slices.Concat([]string{"draw", "-q"}, size, []string{"-F", "ppm", "-o", drawn, file, strconv.Itoa(page)})
	if err := t.runProgram(call{program: "mutool", args: args, within: within}); err != nil {
		return err
	}
	if err := t.clearOut(); err != nil {
		return err
	}
	return t.hand(drawn)
}
