package tools

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// present returns the requested page, or 1 if the original has no such page.
func present(asked, pages int) int {
	if asked < 1 || asked > pages {
		return 1
	}
	return asked
}

// number returns the number in the last line such as "Pages:   12", or 0 without such a line. The last
// line counts, since a title of several lines can contain any text and stands before it.
func number(text, label string) (n int) {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, label); ok {
			n, _ = strconv.Atoi(strings.TrimSpace(rest))
		}
	}
	return n
}

// onStdin is the original's path for programs that turn a relative path into an absolute path. An absolute
// path fails, because a worker may not see the folders above its own.
const onStdin = "/dev/stdin"

// drawDjVu draws one page. It checks the page's number itself, since ddjvu draws even a page that does not exist.
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
	// ddjvu shrinks by whole factors up to 12.
	shrink := int64(1)
	for shrink < 12 && (width/shrink)*(height/shrink) > t.request.MaxPixels {
		shrink++
	}
	_, err = t.djvu("ddjvu", "-format=ppm", "-page="+page, fmt.Sprintf("-subsample=%d", shrink), onStdin)
	return err
}

// djvu runs a program on the original. ddjvu draws to Out. djvu returns the output of djvused, at most maxText bytes.
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
