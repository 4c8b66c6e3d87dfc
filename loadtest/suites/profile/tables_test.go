package profile

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	shownPackages = 30
	shownSites    = 25
	shownCalls    = 20
)

// printProfiles drives misses during a profile of processor time, prints the profile and the allocations, and returns both
// by the steps of a miss.
func (c *cluster) printProfiles(b *testing.B, n int) stepCosts {
	b.Helper()
	dir := b.TempDir()
	before, after, processor := filepath.Join(dir, "before"), filepath.Join(dir, "after"), filepath.Join(dir, "processor")
	c.save(b, before, "/debug/pprof/heap?gc=1")
	heapBefore := c.heap(b)
	ended := make(chan error, 1)
	go func() { // longer than the misses take: the rest of the time is idle
		profile, err := c.get(fmt.Sprintf("/debug/pprof/profile?seconds=%d", profileSeconds))
		ended <- cmp.Or(err, os.WriteFile(processor, profile, 0o600))
	}()
	until, done := time.Now().Add((profileSeconds-1)*time.Second), 0
	for ; time.Now().Before(until) && done < n; done += c.connections {
		c.drive(b, c.connections)
	}
	heapAfter := c.heap(b)
	c.save(b, after, "/debug/pprof/heap?gc=1")
	must(b, <-ended)
	fmt.Printf("\nProcessor time by package (profile of %d misses; sysmon is not in it):\n\n| package | ms a miss | share |\n|---|---|---|\n", done)
	times, space := traces(b, "cpu", processor), traces(b, "alloc_space", "-base", before, after)
	printGroups(times, done)
	allocated := float64(heapAfter.bytes-heapBefore.bytes) / 1024 / float64(done)
	fmt.Printf("\nAllocations: %.0f KB in %.0f objects a miss; %d collections in %d misses. By package:\n\n| site | KB a miss |\n|---|---|\n",
		allocated, float64(heapAfter.objects-heapBefore.objects)/float64(done), heapAfter.collections-heapBefore.collections, done)
	printSites(space, done)
	return stepCosts{misses: done, seconds: bySteps(times), bytes: bySteps(space), objects: bySteps(traces(b, "alloc_objects", "-base", before, after))}
}

const profileSeconds = 12

func (c *cluster) save(b *testing.B, file, path string) {
	b.Helper()
	text, err := c.get(path)
	must(b, err)
	must(b, os.WriteFile(file, text, 0o600))
}

// heap has the counts of Go's runtime.
type heap struct{ bytes, objects, collections int64 }

func (c *cluster) heap(b *testing.B) heap {
	b.Helper()
	text, err := c.get("/debug/pprof/heap?debug=1")
	must(b, err)
	value := func(name string) int64 { return valueOf(string(text), "# "+name+" = ") }
	return heap{value("TotalAlloc"), value("Mallocs"), value("NumGC")}
}

// valueOf returns the number behind a name at the beginning of a line, or 0.
func valueOf(text, name string) int64 {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, name); found {
			n, _ := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
			return n
		}
	}
	return 0
}

// trace is a stack, innermost function first, and its value in seconds or bytes.
type trace struct {
	value float64
	stack []string
}

// traces returns the stacks of a profile with seconds, bytes or objects, from pprof's output.
func traces(b *testing.B, index string, args ...string) []trace {
	b.Helper()
	unit := map[string]string{"cpu": "seconds", "alloc_space": "bytes"}[index] // "" for a number of objects
	all := append([]string{"tool", "pprof", "-traces", "-unit=" + unit, "-sample_index=" + index}, args...)
	out, err := exec.Command("go", all...).Output()
	must(b, err)
	return readTraces(string(out))
}

// readTraces parses blocks between lines of dashes. Each has a value and a function, then its
// callers.
func readTraces(text string) (all []trace) {
	_, text, _ = strings.Cut(text, "-----------+")
	for _, block := range strings.Split(text, "-----------+") {
		var t trace
		for line := range strings.Lines(block) {
			fields := strings.Fields(line)
			switch {
			case len(fields) == 0 || strings.HasPrefix(line, "-") || strings.HasSuffix(fields[0], ":"):
			case len(t.stack) == 0 && len(fields) > 1:
				number := strings.TrimRight(fields[0], "sB")
				t.value, _ = strconv.ParseFloat(number, 64)
				t.stack = append(t.stack, fields[1])
			default:
				t.stack = append(t.stack, fields[0])
			}
		}
		if len(t.stack) > 0 {
			all = append(all, t)
		}
	}
	return all
}

// group returns the package of the innermost frame outside of the runtime and of plumbing. Stacks
// without such a frame are the runtime's own work.
func (t trace) group() string {
	for _, function := range t.stack {
		if name := packageOf(function); !plumbing(name) {
			return name
		}
	}
	switch outer := t.stack[len(t.stack)-1]; {
	case strings.HasPrefix(outer, "runtime.gc") || strings.HasPrefix(outer, "runtime.bg"):
		return "runtime: collector"
	case slices.Contains(t.stack, "runtime.newstack"):
		return "runtime: stacks that grow"
	case slices.ContainsFunc(t.stack, func(f string) bool { return f == "runtime.schedule" || f == "runtime.mcall" }):
		return "runtime: scheduler"
	}
	return "runtime: other"
}

// packageOf returns the path of a function's package, without the project's own prefix.
func packageOf(function string) string {
	function = strings.TrimPrefix(function, "github.com/thumbmill/thumbmill/")
	slash := strings.LastIndex(function, "/")
	if bracket := strings.Index(function, "["); bracket >= 0 { // types of generics have slashes
		slash = strings.LastIndex(function[:bracket], "/")
	}
	dot := strings.Index(function[slash+1:], ".")
	if dot < 0 {
		return function
	}
	return function[:slash+1+dot]
}

// plumbing reports whether a package only does work for its callers.
func plumbing(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return name == "net" || slices.Contains([]string{
		"runtime", "internal", "syscall", "sync", "os", "io", "bytes", "strings", "strconv", "fmt", "time", "sort", "slices", "maps", "reflect",
		"context", "errors", "math", "unicode", "bufio", "iter", "path", "aeshashbody", "memeqbody", "cmpbody", "indexbytebody", "gogo", "golang.org",
	}, first)
}

func printGroups(all []trace, n int) {
	groups, sum := map[string]float64{}, 0.0
	for _, t := range all {
		groups[t.group()] += t.value
		sum += t.value
	}
	for _, name := range largest(groups, shownPackages) {
		fmt.Printf("| %s | %.3f | %.1f %% |\n", name, groups[name]*1000/float64(n), 100*groups[name]/sum)
	}
	fmt.Printf("| all | %.3f | 100 %% |\n", sum*1000/float64(n))
}

// printSites prints the sites with the most allocations: the innermost frames outside of plumbing.
func printSites(all []trace, n int) {
	sites := map[string]float64{}
	for _, t := range all {
		i := slices.IndexFunc(t.stack, func(f string) bool { return !plumbing(packageOf(f)) })
		sites[strings.TrimPrefix(t.stack[max(i, 0)], "github.com/thumbmill/thumbmill/")] += t.value
	}
	for _, name := range largest(sites, shownSites) {
		fmt.Printf("| %s | %.1f |\n", name, sites[name]/1024/float64(n))
	}
}

func largest(all map[string]float64, most int) []string {
	names := slices.SortedFunc(maps.Keys(all), func(a, b string) int { return cmp.Compare(all[b], all[a]) })
	return names[:min(len(names), most)]
}

// underStrace drives n misses while strace follows the front, and returns strace's output; "" where strace is not installed.
func (c *cluster) underStrace(b *testing.B, n int, flags ...string) string {
	b.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		return ""
	}
	output := filepath.Join(b.TempDir(), "strace")
	cmd := exec.Command(path, append(flags, "-f", "-o", output, "-p", strconv.Itoa(c.pid))...)
	must(b, cmd.Start())
	time.Sleep(2 * time.Second) // until strace follows all threads
	c.drive(b, n)
	_ = cmd.Process.Signal(syscall.SIGINT)
	_ = cmd.Wait() // the signal ends strace
	text, err := os.ReadFile(output)
	must(b, err)
	return string(text)
}

// printSystemCalls counts the front's system calls with strace, if that is installed.
func (c *cluster) printSystemCalls(b *testing.B, n int) {
	b.Helper()
	text := c.underStrace(b, n, "-c", "-S", "calls", "-U", "calls,errors,name")
	if text == "" {
		fmt.Println("\nSystem calls are not counted: strace is not installed.")
		return
	}
	fmt.Printf("\nSystem calls a miss (strace, which slows all down, so that futex and nanosleep are more than without):\n\n| call | a miss | failed |\n|---|---|---|\n")
	lines := strings.Split(text, "\n")
	for _, line := range lines[min(2, len(lines)):min(2+shownCalls, len(lines))] {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(line, "-") {
			continue
		}
		calls, _ := strconv.ParseFloat(fields[0], 64)
		failed := 0.0
		if len(fields) == 3 {
			failed, _ = strconv.ParseFloat(fields[1], 64)
		}
		fmt.Printf("| %s | %.1f | %.1f |\n", fields[len(fields)-1], calls/float64(n), failed/float64(n))
	}
}

func TestValuesAreRead(t *testing.T) {
	const text = "# TotalAlloc = 12\n# Mallocs = 1234\n# NumGC = \n"
	for name, want := range map[string]int64{"# TotalAlloc = ": 12, "# Mallocs = ": 1234, "# NumGC = ": 0, "# absent = ": 0} {
		if got := valueOf(text, name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}

func TestTracesAreRead(t *testing.T) {
	const text = `File: a
Type: cpu
-----------+-------------------------------------------------------
    0.02s   runtime.memmove
             github.com/thumbmill/thumbmill/edge/internal/web.(*Handler).ServeHTTP
-----------+-------------------------------------------------------
      bytes:  48B
    96B   runtime.findRunnable
             runtime.schedule
             runtime.mcall
-----------+-------------------------------------------------------
`
	all := readTraces(text)
	if len(all) != 2 || all[0].value != 0.02 || all[1].value != 96 {
		t.Fatalf("%+v", all)
	}
	for i, want := range []string{"edge/internal/web", "runtime: scheduler"} {
		if got := all[i].group(); got != want {
			t.Errorf("%v: %q, want %q", all[i].stack, got, want)
		}
	}
}

func TestPackagesOfFunctions(t *testing.T) {
	for function, want := range map[string]string{
		"runtime.mallocgc": "runtime",
		"github.com/thumbmill/thumbmill/edge/internal/flight.(*Flight[go.shape.struct { M github.com/a/b.C }]).fly": "edge/internal/flight",
		"github.com/nats-io/nats%2ego.(*Conn).publish":                                                              "github.com/nats-io/nats%2ego",
		"memeqbody": "memeqbody",
	} {
		if got := packageOf(function); got != want {
			t.Errorf("%s: %q, want %q", function, got, want)
		}
	}
}
