// Package pressure tells how short of memory this machine, or this container, is,
// and how many renders should then run at once. Fewer slots announced are better
// than workers that the kernel kills.
package pressure

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Gauge reads the kernel's figures. The zero value reads none.
type Gauge struct {
	stall   string // pressure stall information, of the container or the machine
	current string // bytes in use, and at most, of the container
	most    string
}

// New takes the figures of this process's own control group where there are any,
// else the machine's.
func New() Gauge { return at("/sys/fs/cgroup", "/proc") }

func at(cgroup, proc string) Gauge {
	g := Gauge{stall: filepath.Join(proc, "pressure/memory")}
	// A container sees its own group as the root of the hierarchy.
	if own := filepath.Join(cgroup, "memory.pressure"); exists(own) {
		g.stall = own
	}
	for _, names := range [][2]string{
		{"memory.current", "memory.max"}, {"memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes"},
	} {
		if current, most := filepath.Join(cgroup, names[0]), filepath.Join(cgroup, names[1]); exists(current) && exists(most) {
			g.current, g.most = current, most
		}
	}
	return g
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Above these shares, the slots are halved, and halved again.
const (
	someStall  = 10.0 // percent of the last ten seconds in which some process waited for memory
	muchStall  = 40.0
	nearlyFull = 0.90 // of the container's memory
	almostFull = 0.97
)

// Slots is how many of the slots should be in use now, at least one.
func (g Gauge) Slots(of int) int {
	stall, share := g.Stall(), g.Share()
	switch {
	case stall >= muchStall || share >= almostFull:
		return max(1, of/4)
	case stall >= someStall || share >= nearlyFull:
		return max(1, of/2)
	}
	return of
}

// Stall is the percentage of the last ten seconds in which some process waited
// for memory; 0 where the kernel does not tell.
func (g Gauge) Stall() (percent float64) {
	text, err := os.ReadFile(g.stall)
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscanf(string(text), "some avg10=%g", &percent); err != nil {
		return 0
	}
	return percent
}

// Share is the part of the container's memory that is in use, page cache
// included; 0 where there is no bound.
func (g Gauge) Share() float64 {
	current, err1 := number(g.current)
	most, err2 := number(g.most)
	if err1 != nil || err2 != nil || most <= 0 {
		return 0 // "max", in version 2
	}
	return current / most
}

func number(path string) (float64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
}
