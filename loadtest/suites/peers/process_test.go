package peers

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
)

// process is a server's process with all processes below it.
type process struct {
	pid   int
	group string // its own control group; "": this machine grants none
}

// newGroup makes a control group of version 2 below this process' own, until the benchmark ends. It
// returns "" if it may not.
func newGroup(b *testing.B) string {
	b.Helper()
	mounts, _ := os.ReadFile("/proc/self/mounts")
	own, _ := os.ReadFile("/proc/self/cgroup")
	parent := unified(string(mounts), string(own))
	if parent == "" {
		return ""
	}
	group, err := os.MkdirTemp(parent, "peers-")
	if err != nil {
		return ""
	}
	b.Cleanup(func() { removeGroup(b, group) })
	return group
}

// removeGroup removes a group and the groups below it, after the last process has ended.
func removeGroup(b *testing.B, group string) {
	b.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for range time.Tick(20 * time.Millisecond) {
		below, _ := filepath.Glob(group + "/*/cgroup.procs")
		for _, file := range below {
			_ = os.Remove(filepath.Dir(file)) // processes may be left
		}
		err := os.Remove(group)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.Log(err)
			return
		}
	}
}

// unified returns the folder of a process' own group in the hierarchy of version 2 (cgroups(7)).
func unified(mounts, own string) string {
	for lines := bufio.NewScanner(strings.NewReader(mounts)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || fields[2] != "cgroup2" {
			continue
		}
		for _, line := range strings.Split(own, "\n") {
			if path, found := strings.CutPrefix(line, "0::"); found {
				return filepath.Join(fields[1], path)
			}
		}
	}
	return ""
}

// source returns the source of processor times.
func (p process) source() string {
	if p.group == "" {
		return "/proc/PID/stat"
	}
	return "cpu.stat of control groups"
}

// used returns the processor time of the whole tree since its start, including ended children.
func (p process) used() time.Duration {
	if p.group != "" {
		text, _ := os.ReadFile(p.group + "/cpu.stat")
		return readGroup(string(text))
	}
	return processes.TreeTime(p.pid)
}

// settled waits until work has ended, and returns the used time.
func (p process) settled() time.Duration { return processes.Settled(p.used) }

// sight is the memory of a tree at one moment.
type sight struct {
	sum  float64  // MB
	each []string // of each process: MB, and the anonymous part
}

// memory returns the memory of the tree. A shared page counts for each process with an equal part.
func (p process) memory() (s sight) {
	for _, pid := range p.tree() {
		whole, anonymous := processes.Memory(pid)
		s.sum += float64(whole) / (1 << 20)
		s.each = append(s.each, fmt.Sprintf("%.0f (%.0f)", float64(whole)/(1<<20), float64(anonymous)/(1<<20)))
	}
	return s
}

// tree returns the process and all processes below it.
func (p process) tree() []int { return append(processes.Below(p.pid), p.pid) }

// readGroup returns usage_usec of a control group's cpu.stat.
func readGroup(text string) time.Duration {
	for _, line := range strings.Split(text, "\n") {
		if value, found := strings.CutPrefix(line, "usage_usec "); found {
			n, _ := strconv.ParseInt(value, 10, 64)
			return time.Duration(n) * time.Microsecond
		}
	}
	return 0
}

// model returns the name of this machine's processor.
func model(cpuinfo []byte) string {
	_, rest, _ := bytes.Cut(cpuinfo, []byte("model name"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return strings.Trim(string(line), "\t :")
}

func TestProcessorTimeOfAGroupIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want time.Duration
	}{
		"a group":              {"usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n", 1500 * time.Microsecond},
		"a group that is gone": {"", 0},
	} {
		if got := readGroup(c.text); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestMemoryIsMeasured(t *testing.T) {
	if own := (process{pid: os.Getpid()}); own.memory().sum <= 1 || len(own.memory().each) == 0 {
		t.Errorf("this process has %+v", own.memory())
	}
}

func TestTheOwnGroupIsFound(t *testing.T) {
	const v2 = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
	for name, c := range map[string]struct{ mounts, own, want string }{
		"version 2":           {v2, "0::/user.slice/a\n", "/sys/fs/cgroup/user.slice/a"},
		"both versions":       {"cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n", "1:cpu:/b\n0::/\n", "/sys/fs/cgroup/unified"},
		"version 1":           {"cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n", "1:cpu:/b\n", ""},
		"no hierarchy at all": {"", "", ""},
	} {
		if got := unified(c.mounts, c.own); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTheProcessorIsNamed(t *testing.T) {
	if got := model([]byte("processor\t: 0\nmodel name\t: A B 3\nstepping\t: 1\n")); got != "A B 3" {
		t.Errorf("%q", got)
	}
}

func TestURLs(t *testing.T) {
	c := contestant{base: "http://a", template: "/{width}x0/filters:format({format})/{original}", jpeg: "jpeg"}
	wiki := contestant{base: "http://a", template: "/thumb/{hash}/{original}/{width}px-{original}"}
	for name, v := range map[string]struct {
		of   contestant
		r    request
		want string
	}{
		"natural":        {c, request{"a.jpg", "", 10}, "http://a/10x0/filters:format(jpeg)/a.jpg"},
		"of a drawing":   {c, request{"a.svg", "", 10}, "http://a/10x0/filters:format(png)/a.svg"},
		"as asked":       {c, request{"a.jpg", "webp", 10}, "http://a/10x0/filters:format(webp)/a.jpg"},
		"at MediaWiki's": {wiki, request{"Cat.jpg", "", 10}, "http://a/thumb/d/d1/Cat.jpg/10px-Cat.jpg"},
	} {
		if got := v.of.url(v.r); got != v.want {
			t.Errorf("%s: %s, want %s", name, got, v.want)
		}
	}
}

func TestPeersOfAFile(t *testing.T) {
	for name, c := range map[string]struct {
		text, first string
		peers       int
		refused     bool
	}{
		"another":          {`[{"name":"a","url":"/{width}/{original}"}]`, "a", 1 + len(known()), false},
		"a known one":      {`[{"name":"imagor","url":"/{width}/{original}"}]`, "imagor", len(known()), false},
		"without a width":  {`[{"name":"a","url":"/{original}"}]`, "", 0, true},
		"that is no list":  {`{}`, "", 0, true},
		"without anything": {`[]`, "imgproxy", len(known()), false},
	} {
		file := filepath.Join(t.TempDir(), "peers.json")
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		all, err := wanted(file)
		if (err != nil) != c.refused || len(all) != c.peers || c.peers > 0 && all[0].Name != c.first {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
}
