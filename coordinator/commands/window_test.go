package commands

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/directive"
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
	sentence := "WARNING  " + strings.TrimSpace(strings.Repeat("some words ", 20))
	row := strings.Repeat("cell ", 30)
	lines := wrapped([]string{sentence, row, "NOTE     " + strings.Repeat("ü", 90)}, 80)
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

// The first line is the state; each problem has its severity, its times, its remedy and its command.
func TestSentencesOfWhatNeedsAttention(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 4, 0, 0, time.Local)
	report := coordinator.Throttles{Problems: []coordinator.Problem{
		{Severity: "critical", Sentence: "lane refuses 4.0 requests/s.", Remedy: "add renderers", Since: at},
		{Severity: "warning", Sentence: "The lane bulk is paused.", Actions: []coordinator.Action{{Kind: directive.Pause, Target: "bulk", ID: "id-1"}}},
		{Severity: "note", Sentence: "c/bad.jpg fails.", RefusedUntil: at, Actions: []coordinator.Action{{Kind: directive.Clear, Target: "c/bad.jpg"}, {Kind: directive.Block}}},
	}}
	report.State.Word, report.State.Sentence = "Failing", "Serves 1 of 2."
	var out bytes.Buffer
	if err := printSections(&out, func(s sections) { s.attention(report) }); err != nil {
		t.Fatal(err)
	}
	want := "Failing: Serves 1 of 2.\n" +
		"CRITICAL lane refuses 4.0 requests/s. Since 15:04. To change this, add renderers.\n" +
		"WARNING  The lane bulk is paused. Command: thumbmill throttle withdraw id-1\n" +
		"NOTE     c/bad.jpg fails. Refused until 15:04. Command: thumbmill failing clear c/bad.jpg\n\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

// A problem proposes each kind of directive by a command that exists.
func TestCommandsOfActions(t *testing.T) {
	for _, kind := range directive.Kinds() {
		words := strings.Fields(command(coordinator.Action{Kind: kind, Target: "TARGET"}))
		if kind == directive.Clear { // an edge's command
			continue
		}
		root := &cobra.Command{Use: "thumbmill"}
		root.AddCommand(All()...)
		if found, rest, err := root.Find(words[1:]); err != nil || len(rest) != 1 || found.Name() != words[2] {
			t.Errorf("%v: %v %v %v", words, found, rest, err)
		}
	}
}
