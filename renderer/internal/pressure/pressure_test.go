package pressure

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSlots(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"no figures": {"", 8},
		"no stall":   {"some avg10=0.00 avg60=0.00\n", 8},
		"some stall": {"some avg10=12.50 avg60=1", 4},
		"much stall": {"some avg10=55.0", 2},
		"unreadable": {"none", 8},
	} {
		file := filepath.Join(t.TempDir(), "memory.pressure")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := (Gauge{file}).Slots(8); got != c.want {
			t.Errorf("%s: %d slots, want %d", name, got, c.want)
		}
		if got := (Gauge{file}).Slots(1); got != 1 {
			t.Errorf("%s: Slots(1) = %d, want 1", name, got)
		}
	}
}

// The figures of the process's own group have precedence over the machine's figures.
func TestGroupBeforeMachine(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"proc/self/cgroup": "4:memory:/other\n0::/site/renderer\n", "proc/pressure/memory": "some avg10=50",
		"cgroups/site/renderer/memory.pressure": "some avg10=15",
	} {
		path := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if stall := at(filepath.Join(dir, "cgroups"), filepath.Join(dir, "proc")).Stall(); stall != 15 {
		t.Errorf("the group's stall is %v, want 15", stall)
	}
	if stall := at(filepath.Join(dir, "none"), filepath.Join(dir, "proc")).Stall(); stall != 50 {
		t.Errorf("the machine's stall is %v, want 50", stall)
	}
}
