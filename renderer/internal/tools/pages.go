package tools

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
)

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
