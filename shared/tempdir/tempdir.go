// Package tempdir makes temporary folders that do not outlive their process for
// long: whoever makes the next one removes those whose process has ended. The
// renderer and the embedded queue use it.
package tempdir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// New makes a folder below parent ("" = the system's, made if it is missing),
// named for its user, the process and at random, and removes the user's folders
// of processes that are gone.
func New(parent, user string) (string, error) {
	if parent == "" {
		parent = os.TempDir()
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	old, _ := filepath.Glob(filepath.Join(parent, user+"-*"))
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), user+"-"), "-")
		if n, err := strconv.Atoi(pid); err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir) // one of another user of the machine stays
		}
	}
	return os.MkdirTemp(parent, fmt.Sprintf("%s-%d-", user, os.Getpid()))
}
