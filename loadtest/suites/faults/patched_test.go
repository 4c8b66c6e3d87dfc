package faults

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// patched returns the flags of a build with another text of a file of Go's library: each text of changes becomes another
// one. The changes may read told, the number in the file that an environment variable names, which is nil without the
// file. more is further code. Go asks the kernel directly, so that no library can be put between them.
func (s *site) patched(file string, changes map[string]string, variable, more string) (flags []string) {
	s.t.Helper()
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		s.t.Fatal(err)
	}
	path := filepath.Join(strings.TrimSpace(string(goroot)), "src", file)
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	changed := string(text)
	for was, is := range changes {
		if !strings.Contains(changed, was) {
			s.t.Fatalf("%s has changed: adapt the patch for %s", file, variable)
		}
		changed = strings.Replace(changed, was, is, 1)
	}
	told := fmt.Sprintf(told, filepath.Base(filepath.Dir(path)), variable) + more
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{
		path: s.write(variable+".go", changed), filepath.Join(filepath.Dir(path), "told.go"): s.write(variable+"-told.go", told),
	}})
	if err != nil {
		s.t.Fatal(err)
	}
	return []string{"-overlay", s.write(variable+".json", string(overlay))}
}

const told = `package %s

import (
	"syscall"
	"unsafe"
)

// told is in a file that a test changes while the program runs.
var told = func() *int64 {
	name, _ := syscall.Getenv(%q)
	fd, err := syscall.Open(name, syscall.O_RDONLY, 0)
	if err != nil {
		return nil
	}
	page, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil
	}
	return (*int64)(unsafe.Pointer(&page[0]))
}()
`

// tell changes a number that patched programs read.
func (s *site) tell(variable string, number int64) {
	s.t.Helper()
	file, err := os.OpenFile(s.path(variable), os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(number)), 0) //nolint:gosec // the same bits
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}
