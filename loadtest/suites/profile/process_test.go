package profile

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// used is what a cluster has used since it began.
type used struct {
	front, workers          time.Duration
	faults                  int64 // minor page faults of the front
	switches                int64 // of its threads
	bytesRead, bytesWritten int64 // by system calls, those of sockets included
}

func (u used) less(v used) used {
	return used{
		u.front - v.front, u.workers - v.workers, u.faults - v.faults, u.switches - v.switches,
		u.bytesRead - v.bytesRead, u.bytesWritten - v.bytesWritten,
	}
}

// tick is the unit of processor time in /proc: USER_HZ, which is 100 wherever Linux runs.
const tick = 10 * time.Millisecond

func (c *cluster) read(b *testing.B) (u used) {
	b.Helper()
	stat := statOf(file(c.pid, "stat"))
	if len(stat) < 15 {
		b.Fatalf("process %d has ended", c.pid)
	}
	u.front, u.faults = time.Duration(stat[11]+stat[12])*tick, stat[7]
	u.workers = time.Duration(stat[13]+stat[14]) * tick // those that ended
	for _, child := range below(c.pid) {
		for _, n := range statOf(file(child, "stat"))[11:15] {
			u.workers += time.Duration(n) * tick
		}
	}
	u.bytesRead, u.bytesWritten = valueOf(file(c.pid, "io"), "rchar:"), valueOf(file(c.pid, "io"), "wchar:")
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", c.pid))
	for _, thread := range threads {
		text, _ := os.ReadFile(thread) // it may have ended
		u.switches += valueOf(string(text), "voluntary_ctxt_switches:") + valueOf(string(text), "nonvoluntary_ctxt_switches:")
	}
	return u
}

// memory of the front in MB: of pages that several processes share, its part.
func (c *cluster) memory() float64 {
	return float64(valueOf(file(c.pid, "smaps_rollup"), "Pss:")) / 1024
}

func file(pid int, name string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name)) // it may have ended
	return string(text)
}

// below are the processes that a process started, and those that these did.
func below(pid int) (all []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list) // it may have ended
		for _, word := range strings.Fields(string(text)) {
			child, _ := strconv.Atoi(word)
			all = append(append(all, child), below(child)...)
		}
	}
	return all
}

// statOf gives the numbers of /proc/PID/stat from the third field on, at least 15 of them: the
// second, a name, can hold anything (proc_pid_stat(5)).
func statOf(text string) []int64 {
	numbers := make([]int64, 0, 50)
	for _, field := range strings.Fields(text[strings.LastIndex(text, ")")+1:]) {
		n, _ := strconv.ParseInt(field, 10, 64) // the third is a letter
		numbers = append(numbers, n)
	}
	if text == "" {
		return make([]int64, 15)
	}
	return numbers
}

// valueOf gives the number behind a name at the beginning of a line.
func valueOf(text, name string) int64 {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, name); found {
			if fields := strings.Fields(rest); len(fields) > 0 {
				n, _ := strconv.ParseInt(fields[0], 10, 64)
				return n
			}
		}
	}
	return 0
}

func TestProcessesAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want int64
	}{
		"a name with parentheses": {"123 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 7 3 20 0 1 0 100", 150},
		"an ended process":        {"", 0},
	} {
		if got := statOf(c.text); len(got) < 15 || got[11] != c.want {
			t.Errorf("%s: %v, want utime %d", name, got, c.want)
		}
	}
}

func TestValuesAreRead(t *testing.T) {
	const text = "rchar: 12\nPss_Dirty:  3 kB\nPss:   1234 kB\nempty:\n"
	for name, want := range map[string]int64{"rchar:": 12, "Pss:": 1234, "empty:": 0, "absent:": 0} {
		if got := valueOf(text, name); got != want {
			t.Errorf("%s: %d, want %d", name, got, want)
		}
	}
}
