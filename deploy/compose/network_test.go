package compose

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/namespace"
)

// network is a switch and the containers' namespaces. They reach only each other; the machine's own
// network stays as it is.
type network struct {
	t      *testing.T
	prefix string
	ports  int
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	n := &network{t: t, prefix: fmt.Sprintf("thumbmill-%d-", os.Getpid())}
	if out, err := exec.Command("ip", "netns", "add", n.namespace("")).CombinedOutput(); err != nil {
		t.Skipf("cannot make a network namespace: %v %s", err, out)
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

// namespace returns the name of a container's namespace, or with "" the name of the switch's.
func (n *network) namespace(name string) string { return n.prefix + name }

func (n *network) path(name string) string { return "/run/netns/" + n.namespace(name) }

// join gives an address such as 10.0.0.1/24 to a container, or with "" to the test itself.
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

// dial connects from the switch.
func (n *network) dial(ctx context.Context, protocol, address string) (net.Conn, error) {
	return namespace.Dial(ctx, n.path(""), protocol, address)
}
