// Package table prints columns of text to a terminal, for the commands of coordinator and edge. It
// masks control characters, because strangers choose many of the names in a report.
package table

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Table aligns the columns of its rows.
type Table struct{ out *tabwriter.Writer }

// New makes a table that Flush writes to out.
func New(out io.Writer) Table { return Table{tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)} }

// Row adds a row. A row without cells is an empty line.
func (t Table) Row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			_, _ = fmt.Fprint(t.out, "\t")
		}
		_, _ = fmt.Fprint(t.out, printable(fmt.Sprint(cell)))
	}
	_, _ = fmt.Fprintln(t.out)
}

// Section adds an empty line and a row.
func (t Table) Section(cells ...any) {
	t.Row()
	t.Row(cells...)
}

// Flush writes the rows. It returns the first error of the writer.
func (t Table) Flush() error { return t.out.Flush() }

// printable replaces control characters, which could steer the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}
