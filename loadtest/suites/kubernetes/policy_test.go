package kubernetes

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
)

// stranger is a pod of another namespace.
const stranger = "stranger"

// connection is a connection from a pod to an address.
type connection struct {
	from, to string // from is stranger, or a pod of the site
	needed   bool   // for a request, so that the policies allow it
}

// enforced checks the network policies: while nothing enforces them, all connections succeed; once kube-router does on
// both nodes, only the ones that a request needs.
func (c *cluster) enforced() {
	c.t.Helper()
	c.run("create", "namespace", stranger)
	c.must(c.in(stranger, "wait", "--for=create", "serviceaccount/default", "--timeout="+settles.String()))
	c.must(c.in(stranger, "run", stranger, "--image=registry.example/thumbmill-renderer:1", "--command", "--", "sleep", "infinity"))
	c.must(c.in(stranger, "wait", "--for=condition=Ready", "pod/"+stranger, "--timeout="+settles.String()))
	all := c.connections()
	c.connect("before the policies are enforced", all, func(connection) bool { return true })
	for number, network := range map[int]string{1: "", 2: "second"} {
		stop := c.serve(network, fmt.Sprint("kube-router-", number), home+"/bin/kube-router", "--run-router=false", "--run-service-proxy=false", "--run-firewall",
			"--kubeconfig", c.path("state1/admin.conf"), "--hostname-override", name(number), "--health-port", "0", "--service-cluster-ip-range", "10.96.0.0/16")
		c.enforcers = append(c.enforcers, stop)
	}
	c.connect("under the policies", all, func(n connection) bool { return n.needed })
	c.must(c.in(stranger, "delete", "pod", stranger, "--now")) // no drain may end it
	c.t.Logf("the policies refuse or allow %d connections as they say", len(all))
}

// connections returns connections between pods on both nodes, to the servers and to Kubernetes.
func (c *cluster) connections() (all []connection) {
	renderer := c.pods("thumbmill-renderer")[0]
	for port, needed := range map[string]bool{"4222": true, "8080": true, "11211": false, "6443": false} {
		all = append(all, connection{renderer, net.JoinHostPort(node, port), needed})
	}
	for role, ports := range map[string][]string{"edge": {"8888", "8889"}, "coordinator": {"7531", "8889"}, "renderer": {"8889"}} {
		addresses := c.run("get", "pods", "--selector", "app.kubernetes.io/name=thumbmill-"+role, "--output", "jsonpath={.items[*].status.podIP}")
		for _, address := range strings.Fields(addresses) {
			for _, port := range ports {
				to := net.JoinHostPort(address, port)
				all = append(all, connection{from: stranger, to: to})
				if role != "renderer" {
					all = append(all, connection{from: renderer, to: to})
				}
			}
		}
	}
	return all
}

// connect waits until exactly the wanted connections succeed.
func (c *cluster) connect(when string, all []connection, wanted func(connection) bool) {
	c.t.Helper()
	eventually.Succeeds(c.t, settles, when, func() error {
		var errs []error
		for _, n := range all {
			if got := c.connects(n); got != wanted(n) {
				errs = append(errs, fmt.Errorf("the connection from %s to %s succeeds: %v, want %v", n.from, n.to, got, !got))
			}
		}
		return errors.Join(errs...)
	})
}

func (c *cluster) connects(n connection) bool {
	c.t.Helper()
	namespace := "thumbmill"
	if n.from == stranger {
		namespace = stranger
	}
	host, port, _ := net.SplitHostPort(n.to)
	script := fmt.Sprintf("if timeout 2 bash -c '< /dev/tcp/%s/%s' 2> /dev/null; then echo yes; else echo no; fi", host, port)
	out := c.must(c.in(namespace, "exec", n.from, "--", "sh", "-c", script))
	if out != "yes" && out != "no" {
		c.t.Fatalf("%s says %q about %s", n.from, out, n.to)
	}
	return out == "yes"
}
