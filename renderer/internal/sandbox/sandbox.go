// Package sandbox takes from a process what a decoder does not need: memory
// without bound, files, the network, other processes. It is entered by a worker
// before its first task and cannot be left.
//
// The layers stand beside each other, so that a hole in one is still covered:
//
//	no_new_privs  nothing that is executed gains rights
//	rlimits       address space, size of files, descriptors, no core dumps
//	landlock      which files may be seen; no TCP, no signals to the outside
//	seccomp       which system calls there are; no sockets at all, no ptrace
//	user          workers of a renderer that runs as root run as nobody (the parent does that)
//	cgroup        memory of each worker, page cache and children included (the parent does that)
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

// The layers, in the order in which they are entered.
const (
	User       Layer = "user"
	Cgroup     Layer = "cgroup"
	NoNewPrivs Layer = "no_new_privs"
	Rlimits    Layer = "rlimits"
	Landlock   Layer = "landlock"
	Seccomp    Layer = "seccomp"
)

// Missing gives the required layers that are not among those in force.
func Missing(required, inForce []Layer) (missing []Layer) {
	for _, l := range required {
		if !slices.Contains(inForce, l) {
			missing = append(missing, l)
		}
	}
	return missing
}

// Profile is what a process keeps. The zero value keeps no file and executes nothing.
type Profile struct {
	Memory      uint64 // address space in bytes, RLIMIT_AS
	File        uint64 // bytes of one file that it writes, RLIMIT_FSIZE
	Descriptors uint64 // RLIMIT_NOFILE

	Read     []string // files and folders that may be read; what is absent is passed over
	Write    []string // folders in which anything may be done but executing
	Execute  []string // programs that may be executed, with their interpreter
	Children bool     // other programs may be started: those of Execute
}

// Enter confines the whole process, all its threads and all that it starts, and
// tells the layers that hold. A layer that this kernel lacks is left out; one
// that should hold and does not is an error.
func Enter(p Profile) ([]Layer, error) {
	if err := p.limit(); err != nil {
		return nil, err
	}
	runtime.LockOSThread() // what is set for one thread is what its filter takes to the others
	defer runtime.UnlockOSThread()
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0) // first to go when memory runs out
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("no_new_privs: %w", err)
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
			return layers, fmt.Errorf("%s: %w", l.layer, err)
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
		{"memory", unix.RLIMIT_AS, p.Memory},
		{"file size", unix.RLIMIT_FSIZE, p.File},
		{"descriptors", unix.RLIMIT_NOFILE, p.Descriptors},
		{"core", unix.RLIMIT_CORE, 0},
	} {
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: l.value, Max: l.value}); err != nil {
			return fmt.Errorf("limit of %s: %w", l.name, err)
		}
	}
	return nil
}
