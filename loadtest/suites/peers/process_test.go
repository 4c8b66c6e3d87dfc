package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tree is a process and all below it.
func tree(pid int) []int {
	all := []int{pid}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file) // it may have ended
		for _, word := range strings.Fields(string(text)) {
			child, _ := strconv.Atoi(word)
			all = append(all, tree(child)...)
		}
	}
	return all
}

// ticks in which the kernel tells processor time: USER_HZ, which is 100 wherever Linux runs.
const tick = 10 * time.Millisecond

// processorTime is that of a tree, with children that ended.
func processorTime(pid int) (sum time.Duration) {
	for _, p := range tree(pid) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p))
		sum += readStat(string(text))
	}
	return sum
}

// readStat reads utime, stime, cutime and cstime of /proc/PID/stat, in which the second
// field, a name, can hold anything (proc_pid_stat(5)).
func readStat(text string) (sum time.Duration) {
	_, rest, _ := strings.Cut(text[strings.LastIndex(text, ")")+1:], " ")
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return 0
	}
	for _, field := range fields[11:15] {
		n, _ := strconv.ParseInt(field, 10, 64)
		sum += time.Duration(n) * tick
	}
	return sum
}

// memory is that of a tree in MB: of pages that several share, each has its part.
func memory(pid int) (sum float64) {
	for _, p := range tree(pid) {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p))
		sum += readRollup(string(text))
	}
	return sum / 1024
}

// readRollup reads the KB after Pss: in /proc/PID/smaps_rollup.
func readRollup(text string) float64 {
	_, rest, found := strings.Cut(text, "\nPss:")
	if !found {
		return 0
	}
	n, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return n
}

func TestWhatTheKernelTells(t *testing.T) {
	const stat = "123 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 7 3 20 0 1 0 100"
	if got := readStat(stat); got != 2100*time.Millisecond {
		t.Errorf("%v", got)
	}
	for _, text := range []string{"", "123 (a) S", "123"} {
		if got := readStat(text); got != 0 {
			t.Errorf("%q: %v", text, got)
		}
	}
	if got := readRollup("00400000-7fff [rollup]\nRss:  9 kB\nPss:   1234 kB\nPss_Dirty: 5 kB\n"); got != 1234 {
		t.Errorf("%v", got)
	}
	if got := readRollup(""); got != 0 {
		t.Errorf("%v", got)
	}
	if processorTime(os.Getpid()) < 0 || memory(os.Getpid()) <= 0 {
		t.Error("this process has no memory")
	}
}

func TestURLs(t *testing.T) {
	c := contestant{base: "http://a", template: "/unsafe/{width}x0/filters:format({format})/{original}", jpeg: "jpeg"}
	for got, want := range map[string]string{
		c.url("a.jpg", "", 10):     "http://a/unsafe/10x0/filters:format(jpeg)/a.jpg",
		c.url("a.svg", "", 10):     "http://a/unsafe/10x0/filters:format(png)/a.svg",
		c.url("a.jpg", "webp", 10): "http://a/unsafe/10x0/filters:format(webp)/a.jpg",
	} {
		if got != want {
			t.Errorf("%s, not %s", got, want)
		}
	}
}
