// Package sandbox removes the rights of a process that a decoder does not need: memory without bound,
// files, the network, other processes. A worker enters the sandbox before its first task, and cannot
// leave it.
//
// Several layers protect against the same attack, so a hole in one layer is not enough:
//
//	no_new_privs  executed programs gain no rights
//	rlimits       bounds of address space, file sizes and descriptors; no core dumps
//	landlock      the visible files; no TCP, no signals to processes outside
//	seccomp       the allowed system calls; no sockets at all, no ptrace
//	user          the parent starts workers as nobody if the renderer runs as root
//	cgroup        the parent bounds each worker's memory, with its page cache and its children
package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// Layer is one mechanism of the kernel.
type Layer string

// The layers stand in the order in which a worker enters them.
const (
	User       Layer = "user"
	Cgroup     Layer = "cgroup"
	NoNewPrivs Layer = "no_new_privs"
	Rlimits    Layer = "rlimits"
	Landlock   Layer = "landlock"
	Seccomp    Layer = "seccomp"
)

// Missing returns the required layers that are not in force.
func Missing(required, inForce []Layer) (missing []Layer) {
	for _, l := range required {
		if !slices.Contains(inForce, l) {
			missing = append(missing, l)
		}
	}
	return missing
}

// Profile has the rights that a process keeps. The zero value allows no files and no programs.
type Profile struct {
	Memory      uint64 // bytes of address space, RLIMIT_AS
	File        uint64 // bytes of one written file, RLIMIT_FSIZE
	Descriptors uint64 // open files, RLIMIT_NOFILE

	Read     []string // readable files and folders; missing paths are ignored
	Write    []string // folders in which the process may read, write, make and remove files, and execute none
	Execute  []string // executable programs, with their interpreter
	Children bool     // the process may start the programs of Execute
}

// Enter confines the whole process, with all its threads and children, and returns the layers in force.
// It leaves out a layer that this kernel lacks. It returns an error if a layer that the kernel has
// cannot be entered.
func Enter(p Profile) ([]Layer, error) {
	if err := p.limit(); err != nil {
		return nil, err
	}
	runtime.LockOSThread() // no_new_privs holds for one thread; the filter of seccomp takes it to the other threads
	defer runtime.UnlockOSThread()
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) // the kernel kills this process first when memory runs out
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("set no_new_privs: %w", err)
	}
	layers := []Layer{NoNewPrivs, Rlimits}
	if os.Geteuid() != 0 {
		layers = append(layers, User)
	}
	for _, l := range []struct {
		layer Layer
		enter func() (bool, error)
	}{{Landlock, p.landlock}, {Seccomp, p.seccomp}} {
		holds, err := l.enter()
		if err != nil {
			return layers, fmt.Errorf("enter layer %s: %w", l.layer, err)
		}
		if holds {
			layers = append(layers, l.layer)
		}
	}
	return layers, nil
}

func (p Profile) limit() error {
	for _, l := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"address space", unix.RLIMIT_AS, p.Memory},
		{"file size", unix.RLIMIT_FSIZE, p.File},
		{"descriptors", unix.RLIMIT_NOFILE, p.Descriptors},
		{"core dumps", unix.RLIMIT_CORE, 0},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("set the limit of %s to %d: %w", l.name, l.value, err)
		}
	}
	return nil
}
