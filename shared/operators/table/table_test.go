package table

import (
	"strings"
	"testing"
)

func TestRowsAreAlignedAndPrintable(t *testing.T) {
	var out strings.Builder
	w := New(&out)
	w.Row("NAME", "COUNT")
	w.Row("evil\x1b[2J\u009b\tname", 3)
	w.Section("more")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if want := "NAME              COUNT\nevil?[2J??name    3\n\nmore\n"; strings.ReplaceAll(out.String(), " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("%q", out.String())
	}
	lines := strings.Split(out.String(), "\n")
	if strings.Index(lines[0], "COUNT") != strings.Index(lines[1], "3") {
		t.Errorf("not aligned:\n%s", out.String())
	}
}
