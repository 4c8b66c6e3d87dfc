// Package pressure measures how short of memory this machine or container is, and tells how many
// renders may run at once. Fewer slots are better than workers that the kernel kills.
package pressure

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Gauge reads the kernel's pressure stall information. The memory use of a container would tell
// nothing, because originals on disk fill the memory with page cache.
type Gauge struct{ file string }

// New returns the gauge of this process's control group, or of the machine if the group has no
// figures.
func New() Gauge { return at("/sys/fs/cgroup", "/proc") }

func at(cgroups, proc string) Gauge {
	own := filepath.Join(cgroups, group(filepath.Join(proc, "self/cgroup")), "memory.pressure")
	if _, err := os.Stat(own); err == nil {
		return Gauge{own}
	}
	return Gauge{filepath.Join(proc, "pressure/memory")}
}

// group returns this process's control group in the hierarchy of version 2, or "" if there is no
// such group.
func group(file string) string {
	text, err := os.ReadFile(file) //nolint:gosec // a file of the kernel
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

const (
	someStall = 10.0 // the stall in percent from which half of the slots are used
	muchStall = 40.0 // the stall in percent from which a quarter of the slots is used
)

// Slots returns how many of the slots may be used now, at least one.
func (g Gauge) Slots(of int) int {
	switch stall := g.Stall(); {
	case stall >= muchStall:
		return max(1, of/4)
	case stall >= someStall:
		return max(1, of/2)
	}
	return of
}

// Stall returns the percentage of the last ten seconds in which at least one process waited for
// memory, or 0 if the kernel has no figures.
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
