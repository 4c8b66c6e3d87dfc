package compose

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
	"os"
)

// network is a switch and the containers' namespaces, which reach one another and nothing
// else; the machine's own network is not touched.
type network struct {
	t      *testing.T
	prefix string
	ports  int
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t: t, prefix: fmt.Sprintf("thumbmill-%d-", os.Getpid())}
	if out, err := exec.Command("ip", "netns", "add", n.namespace("")).CombinedOutput(); err != nil {
		t.Skipf("no network namespace can be made here: %v %s", err, out)
	}
	t.Cleanup(func() { n.ip("netns", "delete", n.namespace("")) })
	n.ip("-n", n.namespace(""), "link", "add", "switch", "type", "bridge")
	n.ip("-n", n.namespace(""), "link", "set", "switch", "up")
	return n
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		n.t.Errorf("ip %v: %v %s", args, err, out)
	}
}

// namespace is that of a container; "" is that of the switch.
func (n *network) namespace(name string) string { return n.prefix + name }

func (n *network) path(name string) string { return "/run/netns/" + n.namespace(name) }

// join gives a container, or with "" the test itself, an address: 10.0.0.1/24.
func (n *network) join(name, address string) {
	n.t.Helper()
	device := "switch"
	if name != "" {
		device = "eth0"
		n.ip("netns", "add", n.namespace(name))
		n.t.Cleanup(func() { n.ip("netns", "delete", n.namespace(name)) })
		n.ports++
		port := fmt.Sprintf("port%d", n.ports)
		n.ip("-n", n.namespace(""), "link", "add", port, "type", "veth", "peer", "name", device, "netns", n.namespace(name))
		n.ip("-n", n.namespace(""), "link", "set", port, "master", "switch", "up")
		n.ip("-n", n.namespace(name), "link", "set", "lo", "up")
	}
	n.ip("-n", n.namespace(name), "address", "add", address, "dev", device)
	n.ip("-n", n.namespace(name), "link", "set", device, "up")
}

// dial connects from the switch: a thread goes into its namespace and does not come back.
func (n *network) dial(ctx context.Context, protocol, address string) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and is not unlocked: the thread ends with the goroutine
		var space int
		if space, err = unix.Open(n.path(""), unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return
		}
		defer func() { _ = unix.Close(space) }()
		if err = unix.Setns(space, unix.CLONE_NEWNET); err == nil {
			conn, err = (&net.Dialer{}).DialContext(ctx, protocol, address)
		}
	}()
	<-done
	return conn, err
}
