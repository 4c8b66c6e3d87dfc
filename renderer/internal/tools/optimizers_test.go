package tools

import (
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// The settings allow a format in renderer.optimizers if the table of formats says that a tool repacks the format.
func TestOptimizersMatchTheTableOfFormats(t *testing.T) {
	var optimized []string
	for _, e := range table() {
		if e.work == Optimize {
			optimized = append(optimized, e.what)
		}
	}
	want := thumbnail.FormatNames(func(row thumbnail.FormatRow) bool { return row.Optimized })
	slices.Sort(optimized)
	slices.Sort(want)
	if !slices.Equal(optimized, want) {
		t.Errorf("tools repack %q, the table of formats says %q", optimized, want)
	}
}
