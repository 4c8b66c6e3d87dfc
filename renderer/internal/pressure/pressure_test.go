package pressure

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSlots(t *testing.T) {
	for name, c := range map[string]struct {
		stall, current, most string
		want                 int
	}{
		"nothing is told": {"", "", "", 8},
		"at ease":         {"some avg10=0.00 avg60=0.00\n", "100", "1000", 8},
		"no bound":        {"some avg10=1.00", "100", "max", 8},
		"some wait":       {"some avg10=12.50 avg60=1", "100", "1000", 4},
		"many wait":       {"some avg10=55.0", "100", "1000", 2},
		"nearly full":     {"some avg10=0.00", "950", "1000", 4},
		"almost full":     {"", "990", "1000", 2},
		"not understood":  {"none", "x", "y", 8},
	} {
		dir := t.TempDir()
		for file, text := range map[string]string{"memory.pressure": c.stall, "memory.current": c.current, "memory.max": c.most} {
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := at(dir, filepath.Join(dir, "proc")).Slots(8); got != c.want {
			t.Errorf("%s: %d slots, want %d", name, got, c.want)
		}
	}
	if got := (Gauge{}).Slots(1); got != 1 {
		t.Errorf("one slot became %d", got)
	}
}
