// Package cgroup gives each worker its own control group. The kernel counts all memory of the group, page cache and
// memory files included. When the memory exceeds the limit, the kernel ends the worker and spares the renderer.
//
// The package uses a version 2 hierarchy below the renderer's own group, if that group is delegated (systemd's
// Delegate=memory, a container with a writable cgroup), or the memory controller of version 1.
package cgroup

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Parent is the group that holds the workers' groups.
type Parent struct {
	dir   string
	limit string // the file that bounds memory
	swap  string // the file that bounds memory with swap (version 1), or swap (version 2)
	v2    bool
}

// root is the folder where the kernel's hierarchies are mounted.
const root = "/sys/fs/cgroup"

// Open makes the group that holds the workers' groups. Its name has this process's id, and name, because one process
// can run several renderers. An error says why the machine grants no group; the renderer then works without groups.
func Open(name string) (*Parent, error) {
	return open(fmt.Sprintf("%s%d-%s", prefix, os.Getpid(), name))
}

func open(name string) (*Parent, error) {
	own, err := memberships("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	p := &Parent{dir: filepath.Join(root, own[""], name), limit: "memory.max", swap: "memory.swap.max", v2: true}
	if path, ok := own["memory"]; ok {
		p = &Parent{dir: filepath.Join(root, "memory", path, name), limit: "memory.limit_in_bytes", swap: "memory.memsw.limit_in_bytes"}
	}
	p.sweep()
	if err := p.probe(); err != nil {
		_ = os.Remove(p.dir)
		return nil, err
	}
	return p, nil
}

// prefix starts the groups' names; the process id follows.
const prefix = "thumbmill-"

// sweep removes the groups of dead processes beside this process's group.
func (p *Parent) sweep() {
	others, _ := filepath.Glob(filepath.Join(filepath.Dir(p.dir), prefix+"*"))
	for _, other := range others {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(other), prefix), "-")
		if n, err := strconv.Atoi(pid); err != nil || !errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			continue
		}
		children, _ := filepath.Glob(filepath.Join(other, "*-*"))
		for _, child := range append(children, other) {
			_ = os.Remove(child) // fails for files
		}
	}
}

// memberships returns the paths of a process's groups by controller. It reads lines such as "4:memory:/a" and, for
// version 2, "0::/b" (controller "").
func memberships(file string) (map[string]string, error) {
	f, err := os.Open(file) //nolint:gosec // the kernel's file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	own := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) == 3 {
			own[parts[1]] = parts[2]
		}
	}
	return own, nil
}

// probe makes the parent, and checks that its children can bound memory.
func (p *Parent) probe() error {
	if err := os.Mkdir(p.dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if p.v2 {
		if err := p.delegate(); err != nil {
			return fmt.Errorf("delegate the memory controller: %w", err)
		}
		if err := p.write(p.dir, "cgroup.subtree_control", "+memory"); err != nil {
			return err
		}
	}
	trial, err := p.New("trial", 1<<30)
	if err != nil {
		return err
	}
	return trial.Remove()
}

// leaf is the renderer's own group: in version 2, a group has either processes or children with controllers.
const leaf = "renderer"

// delegate moves the renderer to leaf, and delegates its group's memory controller to the children.
func (p *Parent) delegate() error {
	own := filepath.Dir(p.dir)
	controllers, err := os.ReadFile(filepath.Join(own, "cgroup.controllers")) //nolint:gosec // the kernel's
	if err != nil {
		return err
	}
	if !slices.Contains(strings.Fields(string(controllers)), "memory") {
		return errors.New("the renderer's group has no memory controller: delegate it, for example with systemd's Delegate=memory")
	}
	if filepath.Base(own) == leaf { // an earlier renderer moved this process
		own = filepath.Dir(own)
		p.dir = filepath.Join(own, filepath.Base(p.dir))
	} else if err := os.Mkdir(filepath.Join(own, leaf), 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := p.write(filepath.Join(own, leaf), "cgroup.procs", "0"); err != nil {
		return err
	}
	return p.write(own, "cgroup.subtree_control", "+memory")
}

func (p *Parent) write(dir, file, text string) error {
	return os.WriteFile(filepath.Join(dir, file), []byte(text), 0)
}

// Close removes the parent. All groups of workers must be removed before.
func (p *Parent) Close() error { return os.Remove(p.dir) }

// Group is the control group of one worker.
type Group struct {
	parent *Parent
	dir    string
}

// New makes a group that may use memory bytes, and may swap nothing.
func (p *Parent) New(name string, memory uint64) (*Group, error) {
	g := &Group{parent: p, dir: filepath.Join(p.dir, name)}
	if err := os.Mkdir(g.dir, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	limit := strconv.FormatUint(memory, 10)
	if err := p.write(g.dir, p.limit, limit); err != nil {
		return nil, errors.Join(err, g.Remove())
	}
	swap := "0"
	if !p.v2 {
		swap = limit
	}
	_ = p.write(g.dir, p.swap, swap) // best effort: some machines do not count swap
	return g, nil
}

// Add moves a process into the group, with every process that it starts later.
func (g *Group) Add(pid int) error {
	return g.parent.write(g.dir, "cgroup.procs", strconv.Itoa(pid))
}

// Remove removes the group, which must be empty.
func (g *Group) Remove() error { return os.Remove(g.dir) }
