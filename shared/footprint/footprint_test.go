package footprint

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

const smaps = `00400000-00500000 r-xp 00000000 fd:00 77                         /usr/bin/thumbmill
Rss:                 100 kB
Anonymous:             0 kB
Swap:                  0 kB
00500000-00510000 r--p 00100000 fd:00 77                         /usr/bin/thumbmill
Anonymous:            64 kB
Swap:                  0 kB
00510000-00520000 rw-p 00110000 fd:00 77                         /usr/bin/thumbmill
Anonymous:             0 kB
Swap:                  0 kB
00520000-00530000 r--p 00120000 fd:00 77                         /usr/bin/thumbmill (deleted)
Anonymous:             0 kB
Swap:                  4 kB
00600000-00610000 r--s 00000000 fd:00 78                         /tmp/shared
Anonymous:             0 kB
Swap:                  0 kB
00700000-00710000 r-xp 00000000 00:00 0                          [vdso]
Anonymous:             0 kB
Swap:                  0 kB
00800000-00810000 r--p 00000000 00:00 0
Anonymous:             0 kB
00900000-00910000 r--p 00000000 fd:00 79                         /usr/lib/a name.so
Anonymous:             0 kB
Swap:                  0 kB
`

func TestOnlyUnchangedMappingsOfFilesAreGivenBack(t *testing.T) {
	got := unchanged(strings.NewReader(smaps))
	if want := []mapping{{0x400000, 0x500000}, {0x900000, 0x910000}}; !slices.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

// resident counts the pages of the memory that are in memory.
func resident(t *testing.T, b []byte) (n int) {
	t.Helper()
	pages := make([]byte, (len(b)+unix.Getpagesize()-1)/unix.Getpagesize())
	_, _, failed := unix.Syscall(unix.SYS_MINCORE, address(b), uintptr(len(b)), address(pages))
	if failed != 0 {
		t.Fatal(failed)
	}
	for _, p := range pages {
		n += int(p & 1)
	}
	return n
}

func TestUntouchedMemoryIsZeroAndAway(t *testing.T) {
	b, err := unix.Mmap(-1, 0, 1<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(b) }()
	clear(b)
	before := resident(t, b)
	Untouch(b)
	if after := resident(t, b); before == 0 || after != 0 {
		t.Errorf("%d pages before, %d after", before, after)
	}
	if len(bytes.Trim(b, "\x00")) > 0 {
		t.Error("the memory is not zero")
	}
}

// The process works on after it gave its pages back.
func TestAProcessWorksOn(t *testing.T) {
	for range 3 {
		AfterStart()
		if got := strings.Repeat("a", 3); got != "aaa" {
			t.Error(got)
		}
	}
}
