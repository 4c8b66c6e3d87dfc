package sandbox

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// envTraces names the environment variable with a folder of traces: `make trace-calls` writes them and runs
// TestCallsOfTraces.
const envTraces = "THUMBMILL_CALLS"

// filters is the number of filters that a worker loads: hideClone3 and the list.
const filters = 2

// confinedProcess is a process of a trace. Its threads share it.
type confinedProcess struct {
	tools   bool // a worker that runs programs, or one of these programs
	filters int
	program string
}

// calls counts system calls of confined processes by name, and then by the program that made the call. After a call that
// chooses among commands comes the command: "ioctl TCGETS".
type calls map[string]map[string]int

func (c calls) add(name, program string) {
	if c[name] == nil {
		c[name] = map[string]int{}
	}
	c[name][program]++
}

// String lists the calls, with the programs that made them.
func (c calls) String() string {
	var all strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c)) {
		fmt.Fprintf(&all, "%-28s", name)
		for _, program := range slices.Sorted(maps.Keys(c[name])) {
			fmt.Fprintf(&all, " %s:%d", program, c[name][program])
		}
		all.WriteByte('\n')
	}
	return all.String()
}

// trace reads the output of `strace -f -q -e signal=none`.
type trace struct {
	threads    map[string]*confinedProcess
	early      map[string][]string // lines of threads before the line with the end of their parent's clone
	unfinished map[string]string   // arguments of calls that other threads' lines interrupted

	drawing, tools calls // of both kinds of workers
	refused        calls // calls that failed with EPERM
}

func newTrace() *trace {
	return &trace{drawing: calls{}, tools: calls{}, refused: calls{}}
}

// read adds the calls of one file. The first thread in it is the test, which is not confined.
func (t *trace) read(from io.Reader) error {
	t.threads, t.early, t.unfinished = nil, map[string][]string{}, map[string]string{}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		thread, line, _ := strings.Cut(lines.Text(), " ")
		if t.threads == nil {
			t.threads = map[string]*confinedProcess{thread: {}}
		}
		if t.threads[thread] == nil {
			t.early[thread] = append(t.early[thread], line)
			continue
		}
		t.line(thread, strings.TrimLeft(line, " "))
	}
	return lines.Err()
}

func (t *trace) line(thread, line string) {
	if strings.HasPrefix(line, "+++") { // it ended, and the kernel may reuse its number
		delete(t.threads, thread)
		return
	}
	if rest, resumed := strings.CutPrefix(line, "<... "); resumed {
		name, rest, _ := strings.Cut(rest, " resumed>")
		t.end(thread, name, t.unfinished[thread]+rest)
		return
	}
	name, rest, isCall := strings.Cut(line, "(")
	if !isCall {
		return
	}
	if args, unfinished := strings.CutSuffix(rest, "<unfinished ...>"); unfinished {
		t.unfinished[thread] = args
		return
	}
	t.end(thread, name, rest)
}

// named adds the command to the name of a call that a filter allows for some commands only.
func named(name, args string) string {
	at, chooses := map[string]int{"ioctl": 1, "fcntl": 1, "prctl": 0}[name]
	if parts := strings.Split(args, ", "); chooses && len(parts) > at {
		command, _, _ := strings.Cut(parts[at], ")")
		return name + " " + strings.TrimSpace(command)
	}
	return name
}

// end counts a call that ended, and follows its new thread or program. A call that does not end may not be the thread's own:
// strace confuses the calls of a process that is killed.
func (t *trace) end(thread, name, args string) {
	p := t.threads[thread]
	i := strings.LastIndex(args, " = ")
	if i < 0 {
		return
	}
	result, _, _ := strings.Cut(args[i+3:], " ")
	if p.filters == filters {
		t.count(p, named(name, args), strings.Contains(args[i:], "EPERM"))
	}
	switch {
	case name == "clone" || name == "clone3" || name == "vfork":
		t.follow(p, result, strings.Contains(args, "CLONE_THREAD"))
	case result != "0":
	case name == "seccomp" && strings.HasPrefix(args, "SECCOMP_SET_MODE_FILTER"):
		p.filters++
	case name == "prctl" && strings.HasPrefix(args, "PR_SET_CHILD_SUBREAPER"):
		p.tools = true
	case name == "execve" && p.filters == filters:
		program, _, _ := strings.Cut(strings.TrimPrefix(args, `"`), `"`)
		p.program = filepath.Base(program)
	}
}

func (t *trace) count(p *confinedProcess, name string, refused bool) {
	kind, program := t.drawing, cmp.Or(p.program, "worker")
	if p.tools {
		kind = t.tools
	}
	kind.add(name, program)
	if refused {
		t.refused.add(name, program)
	}
}

// follow adds a thread, or a process that begins as a copy, and reads its early lines.
func (t *trace) follow(parent *confinedProcess, thread string, same bool) {
	child := parent
	if !same {
		twin := *parent
		child = &twin
	}
	t.threads[thread] = child
	early := t.early[thread]
	delete(t.early, thread)
	for _, line := range early {
		t.line(thread, strings.TrimLeft(line, " "))
	}
}

func TestReadingATrace(t *testing.T) {
	made := newTrace()
	err := made.read(strings.NewReader(`10 execve("/tmp/a.test", [...], 0x1 /* 9 vars */) = 0
10 clone(child_stack=NULL, flags=CLONE_VM|CLONE_VFORK|SIGCHLD <unfinished ...>
11 prctl(PR_SET_CHILD_SUBREAPER, 1) = 0
10 <... clone resumed>)             = 11
11 prctl(PR_SET_SECCOMP, 0)         = 0
11 seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, {len=8, filter=0x1}) = 0
11 getuid()                         = 0
11 seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, {len=90, filter=0x1} <unfinished ...>
10 getpid()                         = 10
11 <... seccomp resumed>)           = 0
12 ioctl(1, TCGETS, 0x1)            = -1 ENOTTY (Inappropriate ioctl for device)
11 clone(child_stack=NULL, flags=CLONE_VM|CLONE_VFORK|SIGCHLD) = 12
12 execve("/usr/bin/true", [...], 0x1 /* 9 vars */) = 0
12 fcntl(3, F_GETFL <unfinished ...>
12 <... fcntl resumed>)             = 0x2 (flags O_RDWR)
12 umask(022)                       = -1 EPERM (Operation not permitted)
12 exit_group(0)                    = ?
12 +++ exited with 0 +++
`))
	if err != nil {
		t.Fatal(err)
	}
	want := "clone                        worker:1\nexecve                       worker:1\nexit_group                   true:1\n" +
		"fcntl F_GETFL                true:1\n" +
		"ioctl TCGETS                 worker:1\numask                        true:1\n"
	if got := made.tools.String(); got != want || len(made.drawing) > 0 || made.refused["umask"]["true"] != 1 {
		t.Errorf("%s\ndrawing: %srefused: %s", got, made.drawing, made.refused)
	}
}

// TestCallsOfTraces compares the lists of allowed calls with traces of Debian 12: computing has no call that workers that draw
// do not make, and running has none that workers of programs do not make.
func TestCallsOfTraces(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(os.Getenv(envTraces), "*.txt"))
	if err != nil || os.Getenv(envTraces) == "" {
		t.Skip(envTraces + " names no folder of traces: make trace-calls writes them")
	}
	made := newTrace()
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		err = made.read(file)
		_ = file.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	t.Logf("workers that draw:\n%s\nworkers of programs:\n%s\ncalls that failed with EPERM:\n%s", made.drawing, made.tools, made.refused)
	if len(made.drawing) == 0 || len(made.tools) == 0 {
		t.Fatalf("the files %v have no calls of workers", files)
	}
	for _, c := range []struct {
		list   []string
		traced calls
	}{{computing, made.drawing}, {running, made.tools}} {
		for _, name := range c.list {
			if c.traced[name] == nil {
				t.Errorf("the trace lacks %s: remove it, or move it to the list of rare calls with its reason", name)
			}
		}
	}
}
