package audit

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/directive"
)

func open(t *testing.T, path string) *List {
	t.Helper()
	l, err := Open(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// acts names the acts of a list, the latest first.
func acts(l *List) string {
	var all []string
	for _, e := range l.Latest() {
		all = append(all, e.Who+" "+e.Directive.ID)
	}
	return strings.Join(all, ", ")
}

// The acts outlive the process. A directive that an edge tells again is no new act, and a line that a power
// failure cut is skipped.
func TestActsAreKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	first := open(t, path)
	given := directive.Directive{ID: "1", Kind: directive.Block, Target: "192.0.2.0/24", Who: "ann", Why: "a test"}
	withdrawn := given
	withdrawn.Withdrawn = "bob"
	first.Add(given)
	first.Add(withdrawn)
	at := first.Latest()[1].At
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = file.WriteString(`{"at":"2026`)
	}
	if err != nil {
		t.Fatal(err)
	}
	second := open(t, path)
	second.Add(given)
	second.Add(directive.Directive{ID: "2", Who: "eve"})
	if got := acts(second); got != "eve 2, bob 1, ann 1" || !second.Latest()[2].At.Equal(at) {
		t.Errorf("%s, the first at %v, want %v", got, second.Latest()[2].At, at)
	}
	if got := acts(open(t, path)); got != "eve 2, bob 1, ann 1" {
		t.Error(got)
	}
}

func TestTheFileIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	l := open(t, path)
	for i := range 2*most + 10 {
		l.Add(directive.Directive{ID: fmt.Sprint(i), Who: "ann"})
	}
	text, err := os.ReadFile(path)
	if lines := strings.Count(string(text), "\n"); err != nil || lines > 2*most || len(l.Latest()) != most || l.Latest()[0].Directive.ID != fmt.Sprint(2*most+9) {
		t.Errorf("%d lines, %d acts, %v", lines, len(l.Latest()), err)
	}
}

func TestAFileThatCannotBeKept(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "absent", "audit"), slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a file in an absent folder is opened")
	}
	l := open(t, filepath.Join(t.TempDir(), "audit"))
	if err := l.file.Close(); err != nil { // the disk is gone
		t.Fatal(err)
	}
	l.Add(directive.Directive{ID: "1", Who: "ann"})
	if acts(l) != "ann 1" {
		t.Error("the act is lost")
	}
	memory := open(t, "")
	memory.Add(directive.Directive{ID: "1", Who: "ann"})
	if acts(memory) != "ann 1" {
		t.Error(acts(memory))
	}
}
