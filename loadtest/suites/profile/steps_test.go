package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// step is a step of a miss, with the functions that do its work: prefixes of their names, without the project's own
// prefix.
type step struct {
	name string
	by   []string
}

// steps returns the steps in the order of a miss.
func steps() []step {
	return []step{
		{"request", []string{"edge/internal/front.", "edge/internal/web.", "edge/internal/grammar.", "edge/internal/thumbor.", "edge/internal/target.", "edge/internal/clientaddr."}},
		{"lookup", []string{"edge/internal/stored."}},
		{"flight", []string{"edge/internal/flight.", "edge/internal/obtain."}},
		{"head", []string{"edge/internal/originals.", "edge/internal/obtain.(*leading).head"}},
		{"failure", []string{"edge/internal/failure.", "edge/internal/obtain.(*leading).checkFailures"}},
		{"admit", []string{
			"edge/internal/obtain.(*admitting).", "edge/internal/places.", "edge/internal/admission.", "edge/internal/coordinators.", "shared/lease.",
			"edge/internal/obtain.untilAbandoned", "edge/internal/obtain.estimator.",
		}},
		{"coordinator", []string{"coordinator/"}},
		{"second lookup", []string{"edge/internal/stored.(*Finder).IsStored"}},
		{"publish", []string{"edge/internal/dispatch.", "edge/internal/obtain.(*render).publishAndWait", "edge/internal/obtain.(*rendering).job", "shared/renderjob.Job."}},
		{"pull and acknowledge", []string{"renderer/internal/intake."}},
		{"begin", []string{"renderer.edges.Begin", "renderer/internal/pipeline.(*job).begin"}},
		{"job", []string{"renderer/internal/pipeline."}},
		{"fetch", []string{"renderer/internal/source.", "renderer/internal/pipeline.(*job).fetch"}},
		{"guard", []string{"renderer/internal/guard.", "renderer/internal/pipeline.(*job).inspect"}},
		{"worker", []string{"renderer/internal/engine.", "renderer/internal/worker.", "renderer/internal/pipeline.(*job).render", "renderer/internal/pipeline.(*job).attempt"}},
		{"reply", []string{"renderer.edges.Tell", "renderer/internal/pipeline.(*job).reply", "renderer/internal/pipeline.(*job).tell"}},
		{"store", []string{"renderer/internal/pipeline.(*job).keep", "renderer/internal/pipeline.(*job).put", "renderer/internal/pipeline.(*job).store", "renderer/internal/pipeline.(*job).changed"}},
		{"result", []string{"edge/internal/dispatch.(*Dispatcher).hear", "edge/internal/dispatch.(*Dispatcher).answer", "edge/internal/obtain.(*render).", "shared/renderjob.ReadResult"}},
		{"answer", []string{"edge/internal/web.(*exchange).writeThumbnail", "edge/internal/web.(*exchange).finish"}},
	}
}

// libraries returns the rows for stacks without a function of a step.
func libraries() []step {
	return []step{
		{beside, []string{"net/http/pprof."}}, // of the measurement
		{"HTTP server", []string{"net/http."}},
		{"NATS server", []string{"github.com/nats-io/nats-server/"}},
		{"connections to NATS", []string{"github.com/nats-io/nats%2ego."}},
	}
}

// beside is the row for all other work of the process, such as heartbeats.
const beside = "beside misses"

// step returns the row of a stack: the step of the innermost function that a step names, with the longest of the
// prefixes that match it.
func (t trace) step() string {
	if name := cmp.Or(t.among(steps()), t.among(libraries())); name != "" {
		return name
	}
	if len(t.stack) == 0 {
		return "unknown stack"
	}
	if group := t.group(); strings.HasPrefix(group, "runtime: ") {
		return group
	}
	return beside
}

// among returns the step that the innermost function of all belongs to, or "".
func (t trace) among(all []step) string {
	for _, function := range t.stack {
		if name := stepOf(function, all); name != "" {
			return name
		}
	}
	return ""
}

func stepOf(function string, all []step) (name string) {
	function = strings.TrimPrefix(function, "github.com/thumbmill/thumbmill/")
	longest := 0
	for _, s := range all {
		for _, prefix := range s.by {
			if len(prefix) > longest && strings.HasPrefix(function, prefix) {
				name, longest = s.name, len(prefix)
			}
		}
	}
	return name
}

// bySteps adds up the values of stacks by their rows.
func bySteps(all []trace) map[string]float64 {
	sums := map[string]float64{}
	for _, t := range all {
		sums[t.step()] += t.value
	}
	return sums
}

// stepCosts has the costs of misses by row.
type stepCosts struct {
	misses, traced                         int // in the profiles, and under strace
	seconds, objects, bytes, calls, copied map[string]float64
}

// printSteps prints the table of steps. It reports an error for a step that no stack has, since its functions have
// other names now.
func printSteps(b *testing.B, c stepCosts) {
	b.Helper()
	fmt.Print("\nSteps of a miss, from the edge to the store. System calls copy the bytes. Those columns are from strace, 0 without it, and leave out the runtime's waits:\n\n")
	fmt.Println("| step | processor µs | KB copied | system calls | allocations | KB allocated |\n|---|---|---|---|---|---|")
	var sums [5]float64
	for _, name := range rows(c) {
		n, traced := float64(c.misses), float64(max(c.traced, 1))
		values := [5]float64{c.seconds[name] * 1e6 / n, c.copied[name] / 1024 / traced, c.calls[name] / traced, c.objects[name] / n, c.bytes[name] / 1024 / n}
		fmt.Printf("| %s |%s\n", name, cells(values))
		for i, v := range values {
			sums[i] += v
		}
		if sum := values[0] + values[1] + values[2] + values[3] + values[4]; sum == 0 {
			b.Errorf("no stack has a function of the step %q: correct steps()", name)
		}
	}
	fmt.Printf("| all |%s\n", cells(sums))
}

func cells(values [5]float64) (text string) {
	for _, v := range values {
		text += fmt.Sprintf(" %.1f |", v)
	}
	return text
}

// rows returns the steps, and then the other rows that have costs, the dearest first.
func rows(c stepCosts) (names []string) {
	for _, s := range steps() {
		names = append(names, s.name)
	}
	for _, name := range largest(c.seconds, len(c.seconds)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for name := range c.calls {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// waits has the system calls by which Go's runtime waits and wakes. No step makes them, and strace takes long for each call's
// stack.
const waits = "futex,nanosleep,epoll_pwait,sched_yield,tgkill,rt_sigreturn,getpid,madvise"

// tracedMost bounds the misses under strace, which slows them so much that more would meet the cluster's deadlines.
const tracedMost = 10

// callStacks returns the stacks of the front's system calls during n misses, with 1 for each call, and with the bytes that
// the call copied. It returns none without strace.
func (c *cluster) callStacks(b *testing.B, n int) (calls, copied []trace) {
	b.Helper()
	return readCalls(c.underStrace(b, n, "-k", "-s", "0", "-e", "signal=none", "-e", "trace=!"+waits))
}

// readCalls parses strace's lines: "123 read(5, ""..., 4096) = 12", and then " > program(function+0x1) [0x2]" for each
// frame, the innermost first.
func readCalls(text string) (calls, copied []trace) {
	for line := range strings.Lines(text) {
		if frame, isFrame := strings.CutPrefix(line, " > "); isFrame {
			if last, function := len(calls)-1, functionOf(frame); last >= 0 && function != "" {
				calls[last].stack = append(calls[last].stack, function)
				copied[last].stack = calls[last].stack
			}
			continue
		}
		if name, result, ended := callOf(line); ended {
			calls = append(calls, trace{value: 1})
			copied = append(copied, trace{value: bytesOf(name, result)})
		}
	}
	return calls, copied
}

// functionOf returns the function of a frame, or "" for a frame without one.
func functionOf(frame string) string {
	_, name, _ := strings.Cut(frame, "(")
	if end := strings.LastIndex(name, "+0x"); end >= 0 {
		return name[:end]
	}
	return ""
}

// callOf returns the name and the result of a system call that has ended.
func callOf(line string) (name string, result int64, ended bool) {
	at := strings.LastIndex(line, ") = ")
	if at < 0 {
		return "", 0, false
	}
	words := strings.Fields(line) // the thread, and then "read(5," or "<...", "read", "resumed>"
	if len(words) < 3 {
		return "", 0, false
	}
	if name, _, _ = strings.Cut(words[1], "("); name == "<..." {
		name = words[2]
	}
	number, _, _ := strings.Cut(strings.TrimSpace(line[at+len(") = "):]), " ")
	result, _ = strconv.ParseInt(number, 10, 64) // "?" of a call that does not return
	return name, result, true
}

// bytesOf returns the bytes that a system call copied between the kernel and the process.
func bytesOf(call string, result int64) float64 {
	switch call {
	case "read", "write", "pread64", "pwrite64", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg", "copy_file_range", "sendfile", "splice":
		return float64(max(0, result))
	}
	return 0
}

func TestStepsOfStacks(t *testing.T) {
	const project = "github.com/thumbmill/thumbmill/"
	for want, stack := range map[string][]string{
		"second lookup":       {"syscall.Syscall6", project + "shared/objectstore/directory.(*Store).Head", project + "edge/internal/stored.(*Finder).IsStored", project + "edge/internal/obtain.(*granting).proceed", project + "edge/internal/obtain.(*admitting).admit"},
		"lookup":              {project + "edge/internal/stored.(*Finder).Find", project + "edge/internal/obtain.(*Obtainer).findOrRender", project + "edge/internal/web.(*Handler).ServeHTTP", "net/http.(*conn).serve"},
		"publish":             {"github.com/nats-io/nats%2ego.(*Conn).publish", project + "edge/internal/dispatch.(*Handle).publishOnce", project + "edge/internal/places.driver.publish"},
		"connections to NATS": {"syscall.write", "github.com/nats-io/nats%2ego.(*Conn).flusher"},
		"runtime: scheduler":  {"runtime.futex", "runtime.schedule", "runtime.mcall"},
		beside:                {"encoding/json.Marshal", project + "renderer.(*heartbeat).publish"},
	} {
		if got := (trace{stack: stack}).step(); got != want {
			t.Errorf("%v: %q, want %q", stack, got, want)
		}
	}
}

func TestCallsAreRead(t *testing.T) {
	const text = `12 openat(AT_FDCWD, ""..., O_RDONLY) = 5
 > /bin/a(syscall.Syscall6+0x4) [0x1]
 > /bin/a(github.com/a/b.(*T).Open+0x1f) [0x2]
13 read(5,  <unfinished ...>
12 futex(0x1, FUTEX_WAKE) = -1 EAGAIN (Resource temporarily unavailable)
13 <... read resumed>""..., 10) = 7
 > /bin/a(io.Read+0x4) [0x1]
 > /bin/a() [0x2]
13 exit(0) = ?
`
	calls, copied := readCalls(text)
	if len(calls) != 4 || len(copied) != 4 {
		t.Fatalf("%+v", calls)
	}
	if !slices.Equal(calls[0].stack, []string{"syscall.Syscall6", "github.com/a/b.(*T).Open"}) || len(calls[1].stack) != 0 || !slices.Equal(copied[2].stack, []string{"io.Read"}) {
		t.Errorf("%+v", calls)
	}
	for i, want := range []float64{0, 0, 7, 0} {
		if copied[i].value != want {
			t.Errorf("call %d copied %v bytes, want %v", i, copied[i].value, want)
		}
	}
}
