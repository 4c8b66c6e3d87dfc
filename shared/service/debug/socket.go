package debug

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Folder returns the folder of the sockets of this user's processes: thumbmill in XDG_RUNTIME_DIR, or
// thumbmill-UID in the folder of temporary files. It makes the folder if it is missing, and returns an
// error if other users can use it.
func Folder() (string, error) {
	folder := filepath.Join(os.TempDir(), fmt.Sprintf("thumbmill-%d", os.Getuid()))
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); runtime != "" {
		folder = filepath.Join(runtime, "thumbmill")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil { //nolint:gosec // the user's own environment names it
		return "", err
	}
	info, err := os.Lstat(folder) //nolint:gosec // as above
	if err != nil {
		return "", err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !ok || int(owner.Uid) != os.Getuid() {
		return "", fmt.Errorf("make the socket for debugging: other users can use %s: run chmod 700 on it as its owner, or set XDG_RUNTIME_DIR", folder)
	}
	return folder, nil
}

// socketName returns the name of a process's socket; processOf is its inverse.
func socketName(role string, pid int) string { return fmt.Sprintf("%s-%d.sock", role, pid) }

func processOf(socket string) (pid int, ok bool) {
	name := strings.TrimSuffix(filepath.Base(socket), ".sock")
	pid, err := strconv.Atoi(name[strings.LastIndexByte(name, '-')+1:])
	return pid, err == nil && pid > 0
}

// answersWithin bounds the check whether a process lives. A living process answers at once.
const answersWithin = time.Second

// answering returns the sockets in a folder whose processes answer. It removes the sockets of processes
// that have ended.
func answering(ctx context.Context, folder string) (living []string, err error) {
	all, err := filepath.Glob(filepath.Join(folder, "*.sock"))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	answers := make([]error, len(all))
	var asked sync.WaitGroup
	for i, socket := range all {
		asked.Go(func() { answers[i] = greet(ctx, socket) })
	}
	asked.Wait()
	for i, socket := range all {
		switch {
		case answers[i] == nil:
			living = append(living, socket)
		case errors.Is(answers[i], syscall.ECONNREFUSED) && !running(socket):
			err = errors.Join(err, os.Remove(socket))
		}
	}
	return living, err
}

// greet sends a request that each process answers.
func greet(ctx context.Context, socket string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://process/log/level", nil)
	if err != nil {
		return err
	}
	client := over(socket)
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	return nil
}

// running reports whether the process in a socket's name runs: it may be about to listen.
func running(socket string) bool {
	pid, ok := processOf(socket)
	return ok && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// over returns a client that sends all requests to a socket.
func over(socket string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial}}
}
