// Package servers starts the real servers that tests of the boundaries run
// against: memcached, poolcounterd and Swift, from Debian's packages, each on
// loopback and ended with its test. A test whose server is not installed is
// skipped and says so; make test installs them.
package servers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"
)

const startWithin = 2 * time.Minute // on a busy machine

// Memcached starts a memcached and gives its address.
func Memcached(t testing.TB) string {
	t.Helper()
	address, _ := StartMemcached(t, FreeAddress(t))
	return address
}

// StartMemcached starts a memcached at an address, with more arguments, and gives a
// function that kills it.
func StartMemcached(t testing.TB, address string, more ...string) (string, func()) {
	t.Helper()
	host, port, _ := net.SplitHostPort(address)
	kill := start(t, nil, "memcached", append([]string{"-u", "root", "-l", host, "-p", port, "-U", "0", "-m", "16"}, more...)...)
	await(t, address)
	return address, kill
}

// Poolcounterd starts the original coordinator and gives its address. The daemon
// takes its listener as standard input, which is how it gets a port of its own.
func Poolcounterd(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // the file holds the socket
	start(t, file, "poolcounterd")
	_ = file.Close()
	await(t, address)
	return address
}

// start runs a server until the test's end; the function kills it before.
func start(t testing.TB, stdin *os.File, name string, args ...string) func() {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: run `make deps`", name)
	}
	var output bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &output, &output
	if stdin != nil {
		cmd.Stdin = stdin
	}
	ended, err := Launch(cmd)
	if err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill(); <-ended }
	t.Cleanup(func() {
		kill()
		if t.Failed() && output.Len() > 0 {
			t.Logf("%s said:\n%s", name, output.String())
		}
	})
	return kill
}

// Launch starts a process that ends with this one, however that ends.
func Launch(cmd *exec.Cmd) (ended <-chan struct{}, err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, over := make(chan error), make(chan struct{})
	go func() {
		// PDEATHSIG follows the thread that forked: it stays here until the end.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(over)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	return over, <-started
}

// FreeAddress is an address on loopback that nobody listens at.
func FreeAddress(t testing.TB) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(freePorts(t, 1)))
}

// Ports below those that the system gives to connections: between the look and the
// server's start nobody takes one by chance.
const firstPort, lastPort = 12_000, 32_000

// freePorts finds n free ports in a row, and keeps them for this test: until it ends a UDP
// socket, which none of the servers has, tells others, in other processes too, that a port
// is taken though nobody listens there yet. Swift's servers share ports with others that
// listen as they do, so that a collision would not be an error.
func freePorts(t testing.TB, n int) int {
	t.Helper()
	for range 100 {
		port := firstPort + rand.N(lastPort-firstPort-n)
		var kept []io.Closer
		for i := range n {
			if hold := keep(net.JoinHostPort("127.0.0.1", strconv.Itoa(port+i))); hold != nil {
				kept = append(kept, hold)
			}
		}
		release := func() {
			for _, hold := range kept {
				_ = hold.Close()
			}
		}
		if len(kept) == n {
			t.Cleanup(release)
			return port
		}
		release()
	}
	t.Fatal("no free ports in a row")
	return 0
}

// keep an address at which nobody listens; nil if somebody does, or keeps it.
func keep(address string) io.Closer {
	hold, err := net.ListenPacket("udp", address)
	if err != nil {
		return nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		_ = hold.Close()
		return nil
	}
	_ = l.Close()
	return hold
}

// await waits until something listens.
func await(t testing.TB, address string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startWithin)
	defer cancel()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if ctx.Err() != nil {
			t.Fatal(fmt.Errorf("nothing listens at %s: %w", address, err))
		}
		time.Sleep(10 * time.Millisecond)
	}
}
