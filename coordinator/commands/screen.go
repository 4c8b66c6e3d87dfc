package commands

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/shared/operators/table"
)

// screen prints reports to a writer, as text or JSON.
type screen struct {
	out    io.Writer
	asJSON bool
	write  func(sections, coordinator.Throttles)
	window *window // of a terminal; nil for an output that is no terminal
}

// show prints one report.
func (s screen) show(text []byte) error {
	if s.asJSON {
		_, err := fmt.Fprintf(s.out, "%s\n", strings.TrimSpace(string(text)))
		return err
	}
	var t coordinator.Throttles
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("the answer is not a report: %w", err)
	}
	return printSections(s.out, func(w sections) { s.write(w, t) })
}

// renew prints one report in place of the last.
func (s screen) renew(text []byte) error {
	if s.window != nil && !s.asJSON {
		var shown strings.Builder
		err := screen{out: &shown, write: s.write}.show(text)
		s.window.show(shown.String())
		return err
	}
	if !s.asJSON {
		_, _ = fmt.Fprint(s.out, "\x1b[H\x1b[2J") // clear the screen
	}
	return s.show(text)
}

func printSections(out io.Writer, write func(sections)) error {
	w := table.New(out)
	write(sections{w})
	return w.Flush()
}
