package commands

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/renderjob"
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

// Sentences about problems are whole on a narrow terminal; rows of tables are cut.
func TestSentencesAreWhole(t *testing.T) {
	sentence := warning + strings.TrimSpace(strings.Repeat("some words ", 20))
	row := strings.Repeat("cell ", 30)
	lines := wrapped([]string{sentence, row, note + strings.Repeat("ü", 90)}, 80)
	joined := lines[0]
	for _, line := range lines[1:4] {
		if !strings.HasPrefix(line, indent) {
			t.Errorf("%q is not below the text", line)
		}
		joined += " " + strings.TrimSpace(line)
	}
	if joined != sentence || lines[4] != row || len(lines) != 7 || !utf8.ValidString(strings.Join(lines, "")) {
		t.Errorf("%q", lines)
	}
	for i, line := range lines {
		if n := utf8.RuneCountInString(line); n > 80 && i != 4 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}

// The sentences name the problem and the command against it, the worst first.
func TestSentencesOfWhatNeedsAttention(t *testing.T) {
	report := coordinator.Throttles{
		Wanted:    3,
		Renderers: []renderjob.Heartbeat{{Renderer: "r1"}},
		Failing:   []lease.Failing{{Original: "c/bad.jpg", Fault: "undecodable", Failures: 1}, {Original: "c/x.jpg"}},
		Refusals:  map[string]float64{"lane": 4, "failure": 9},
		Edges:     nil,
	}
	said := func() string {
		var out bytes.Buffer
		if err := printSections(&out, func(s sections) { s.attention(report) }); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	text := said()
	for _, want := range []string{
		"1 renderer takes jobs, and the demand needs 3: add 2", "lane refuses 4.0 requests a second. All renderers are busy", "To change this, add renderers",
		"c/bad.jpg (undecodable) failed 1 time; 1 other original fails too: thumbmill failing clear c/bad.jpg",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if !strings.HasPrefix(text, critical+"no edge") || strings.Contains(text, "failure refuses") || strings.Index(text, note) < strings.LastIndex(text, warning) {
		t.Error(text)
	}
	report.Clients = []coordinator.Client{{Name: "192.0.2.7", Refused: 4, RefusedShare: 1, Asked: 9, WorkShare: .5}}
	if text := said(); !strings.Contains(text, "192.0.2.7 has 100 % of all refusals") || !strings.Contains(text, ": thumbmill throttle block 192.0.2.7") || strings.Contains(text, "lane refuses") {
		t.Error(text)
	}
}
