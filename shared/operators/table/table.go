// Package table prints columns of text to a terminal, safely: strangers name much of what
// operators look at.
//
// The commands of coordinator and edge use it.
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

// Row adds a row; without cells it is an empty line.
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

// Flush writes the rows. Its error is the first of the writer below.
func (t Table) Flush() error { return t.out.Flush() }

// printable keeps what strangers named from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}
