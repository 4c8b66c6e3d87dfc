package tools

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// pageDPI is Wikimedia's: a page is drawn at 150 dots an inch and then resized.
const pageDPI = 150

// drawPDF draws one page, at fewer dots when it would have too many of them.
func drawPDF(t *task) error {
	info, err := t.textOf("pdfinfo", named)
	if err != nil {
		return err
	}
	page := present(t.request.Spec.Page, number(info, "Pages:"))
	info, err = t.textOf("pdfinfo", "-f", strconv.Itoa(page), "-l", strconv.Itoa(page), named)
	if err != nil {
		return err
	}
	width, height := pageSize(info)
	if !(width > 0) || !(height > 0) || math.IsInf(width*height, 0) {
		return fault.New(fault.Undecodable, "page %d of the original has no size", page)
	}
	dpi := dpiFor(width, height, float64(t.request.MaxPixels))
	if dpi < 1 {
		return fault.New(fault.TooLarge, "page %d of the original has %.0f × %.0f points", page, width, height)
	}
	number := strconv.Itoa(page)
	return t.draw("pdftoppm", "-r", fmt.Sprintf("%.3f", dpi), "-cropbox", "-aaVector", "no", "-f", number, "-l", number, "-singlefile", named)
}

// dpiFor is at most pageDPI, and so few that a page of that many points has at most
// maxPixels. pdftoppm rounds each side up.
func dpiFor(width, height, maxPixels float64) float64 {
	dpi := min(pageDPI, 72*math.Sqrt(maxPixels/(width*height))*0.999)
	for dpi >= 1 && math.Ceil(width*dpi/72)*math.Ceil(height*dpi/72) > maxPixels {
		dpi *= 0.999
	}
	return dpi
}

// present is the page that is asked for, or the first when there is no such page.
func present(asked, pages int) int {
	if asked < 1 || asked > pages {
		return 1
	}
	return asked
}

// number finds the last line such as "Pages:   12"; 0 when there is none. A title
// of several lines, which comes before, can hold whatever it likes.
func number(text, label string) (n int) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, label); ok {
			n, _ = strconv.Atoi(strings.TrimSpace(rest))
		}
	}
	return n
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

// onStdin is the original for programs that turn a relative path into an absolute
// one: of the folders above, a worker may see nothing.
const onStdin = "/dev/stdin"

// drawDjVu draws one page. The program itself would draw one that is absent.
func drawDjVu(t *task) error {
	count, err := t.djvu("djvused", onStdin, "-e", "n")
	if err != nil {
		return err
	}
	pages, _ := strconv.Atoi(strings.TrimSpace(count))
	page := strconv.Itoa(present(t.request.Spec.Page, pages))
	size, err := t.djvu("djvused", onStdin, "-e", "select "+page+"; size")
	if err != nil {
		return err
	}
	var width, height int64
	if _, err := fmt.Sscanf(size, "width=%d height=%d", &width, &height); err != nil || width < 1 || height < 1 {
		return fault.New(fault.Undecodable, "page %s of the original has no size", page)
	}
	// The program shrinks by whole factors up to 12.
	shrink := int64(1)
	for shrink < 12 && (width/shrink)*(height/shrink) > t.request.MaxPixels {
		shrink++
	}
	_, err = t.djvu("ddjvu", "-format=ppm", "-page="+page, fmt.Sprintf("-subsample=%d", shrink), onStdin)
	return err
}

// djvu runs a program on the original: ddjvu draws to Out, the other's text is given.
func (t *task) djvu(program string, args ...string) (string, error) {
	file, err := os.Open(named)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	var text bytes.Buffer
	c := call{program: program, args: args, in: file, out: &limited{to: &text, left: maxText}}
	if program == "ddjvu" {
		c.out = t.request.Out
	}
	err = t.runProgram(c)
	return text.String(), err
}

// drawXCF draws the layers that are visible, over each other.
func drawXCF(t *task) error {
	return t.draw(imageMagick, "-limit", "memory", "1GiB", "-limit", "map", "0", "-limit", "disk", "1GiB",
		"xcf:"+named+"[0]", "-define", "png:compression-level=1", "png32:-")
}
