// Package footprint gives memory back that a process needed for its start alone: garbage, and pages of the program and
// its libraries. Every package of a program is initialised at its start, which maps most of the program; afterwards a
// process uses a part of it. A page that is needed again comes from the kernel's cache of the file.
package footprint

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// AfterStart gives the memory back. A process calls it once, when it is ready to work. Without /proc, it does less.
func AfterStart() { Read().GiveBack() }

// Start is the memory of a process's start.
type Start struct{ pages []mapping }

// Read returns the memory that a process touched until now. Without /proc, it knows less. A process that loses its view
// of the files calls it before, and gives the memory back afterwards.
func Read() (s Start) {
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return s
	}
	defer func() { _ = smaps.Close() }()
	s.pages = unchanged(smaps)
	return s
}

// GiveBack gives the memory back: first garbage, because the search for it touches pages of types all over the program.
func (s Start) GiveBack() {
	debug.FreeOSMemory()
	for _, m := range s.pages {
		// Only the mapping's content counts, which stays in the file.
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, m.from, m.to-m.from, unix.MADV_DONTNEED)
	}
}

// Untouch gives the memory of b back, whose bytes must all be 0. They stay 0. b begins and ends with a page.
func Untouch(b []byte) { _ = unix.Madvise(b, unix.MADV_DONTNEED) }

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// unchanged returns the mappings of files that are not writable and have no page of the process's own, as relocated pages
// are (proc_pid_smaps(5)).
func unchanged(smaps io.Reader) (all []mapping) {
	var at mapping
	ofFile := false
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Bytes()
		switch {
		case bytes.HasPrefix(line, []byte("Anonymous:")):
			if ofFile && isZero(line) {
				all = append(all, at)
			}
		case bytes.HasPrefix(line, []byte("Swap:")):
			if n := len(all); n > 0 && all[n-1] == at && !isZero(line) {
				all = all[:n-1]
			}
		case len(line) > 0 && (line[0] < 'A' || line[0] > 'Z'):
			at, ofFile = head(strings.Fields(string(line)))
		}
	}
	return all
}

// isZero reports whether a line such as "Swap:  0 kB" counts nothing.
func isZero(line []byte) bool { return bytes.HasSuffix(line, []byte(" 0 kB")) }

// head reads a mapping's first line, such as "55d0-55e0 r-xp 00001000 fd:00 1234 /usr/bin/cat". ofFile is false for
// writable mappings, and for those without a file.
func head(fields []string) (m mapping, ofFile bool) {
	if len(fields) < 6 {
		return m, false
	}
	first, last, _ := strings.Cut(fields[0], "-")
	from, err := strconv.ParseUint(first, 16, 64)
	if err != nil {
		return m, false
	}
	to, err := strconv.ParseUint(last, 16, 64)
	if err != nil || to <= from {
		return m, false
	}
	file := strings.HasPrefix(fields[5], "/") && fields[4] != "0"
	return mapping{uintptr(from), uintptr(to)}, file && strings.HasPrefix(fields[1], "r") && strings.HasSuffix(fields[1], "p") && !strings.Contains(fields[1], "w")
}
