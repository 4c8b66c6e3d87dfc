package commands

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// A long and wide text fits 80 by 24, and keys scroll it to its end.
func TestAWindowFitsItsTerminal(t *testing.T) {
	var out bytes.Buffer
	w := &window{out: &out, size: func() (int, int) { return 80, 24 }}
	var text strings.Builder
	for n := range 60 {
		fmt.Fprintf(&text, "line %d %s\n", n, strings.Repeat("ü", 100))
	}
	w.show(text.String())
	look := func() []string {
		_, screen, _ := strings.Cut(out.String(), "\x1b[2J")
		out.Reset()
		return strings.Split(screen, "\r\n")
	}
	lines := look()
	if len(lines) != 24 || !strings.Contains(lines[23], "1 to 23 of 60") {
		t.Errorf("%d lines, the last %q", len(lines), lines[len(lines)-1])
	}
	for _, line := range lines {
		if utf8.RuneCountInString(line) > 80 {
			t.Errorf("%d columns", utf8.RuneCountInString(line))
		}
	}
	ended := false
	for _, key := range []string{" ", "j", "k", "b", "\x1b[6~", "\x1b[6~", "\x1b[6~", "q"} {
		out.Reset()
		w.keys(strings.NewReader(key), func() { ended = true })
		if key == " " {
			if lines := look(); !strings.HasPrefix(lines[0], "line 22 ") {
				t.Errorf("after a page: %q", lines[0])
			}
		}
	}
	w.scroll(1)
	if lines := look(); !strings.HasPrefix(lines[22], "line 59 ") || !ended {
		t.Errorf("at the end: %q", lines[22])
	}
}
