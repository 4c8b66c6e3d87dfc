package target

import (
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Keys of originals in different folders differ, a comma cannot join two keys, and every key fits into the
// metadata of a store.
func TestXKeys(t *testing.T) {
	of := func(path string) string { return Printable(XKey(thumbnail.Location{Path: path})) }
	if a, b := of("2026/11/hero.jpg"), of("2025/11/hero.jpg"); a == b || a != "File:2026/11/hero.jpg" {
		t.Errorf("%q and %q", a, b)
	}
	if got := Printable(WikiXKey("Paris,_France.png")); got != "File:Paris%2C_France.png" {
		t.Errorf("got %q", got)
	}
	long := strings.Repeat("ä", 127)
	if a, b := of(long+"1"), of(long+"2"); len(a) > longestXKey || a == b {
		t.Errorf("%d bytes: %q and %q", len(a), a, b)
	}
}
