// Package pressure tells how short of memory this machine, or this container, is,
// and how many renders should then run at once. Fewer slots announced are better
// than workers that the kernel kills.
package pressure

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Gauge reads the kernel's pressure stall information. How full a container's
// memory is would tell nothing: the originals on disk fill it with page cache.
type Gauge struct{ file string }

// New takes the figures of this process's own control group where there are any,
// else the machine's.
func New() Gauge { return at("/sys/fs/cgroup", "/proc") }

func at(cgroups, proc string) Gauge {
	own := filepath.Join(cgroups, group(filepath.Join(proc, "self/cgroup")), "memory.pressure")
	if _, err := os.Stat(own); err == nil {
		return Gauge{own}
	}
	return Gauge{filepath.Join(proc, "pressure/memory")}
}

// group is this process's in the hierarchy of version 2; "" when it is in none.
func group(file string) string {
	text, err := os.ReadFile(file) //nolint:gosec // the kernel's
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return strings.TrimSpace(path)
		}
	}
	return ""
}

// Above these percentages, the slots are halved, and halved again.
const (
	someStall = 10.0
	muchStall = 40.0
)

// Slots is how many of the slots should be in use now, at least one.
func (g Gauge) Slots(of int) int {
	switch stall := g.Stall(); {
	case stall >= muchStall:
		return max(1, of/4)
	case stall >= someStall:
		return max(1, of/2)
	}
	return of
}

// Stall is the percentage of the last ten seconds in which some process waited
// for memory; 0 where the kernel does not tell.
func (g Gauge) Stall() (percent float64) {
	text, err := os.ReadFile(g.file)
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscanf(string(text), "some avg10=%g", &percent); err != nil {
		return 0
	}
	return percent
}
