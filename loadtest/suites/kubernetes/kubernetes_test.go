package kubernetes

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/sleepers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
)

func TestMain(m *testing.M) {
	if sleepers.Asked() {
		os.Exit(sleepers.Main())
	}
	os.Exit(m.Run())
}

// TestKubernetes runs the chart on a cluster: as its admission sees it, then while its pods change.
func TestKubernetes(t *testing.T) {
	available(t)
	c := newCluster(t)
	c.install()
	for _, part := range []struct {
		name string
		do   func()
	}{
		{"the admission refuses unrestricted pods", c.restricted},
		{"workers are confined", c.confined},
		{"policies are enforced", c.enforced},
		{"an autoscaler follows", c.followed},
		{"KEDA follows", c.followedByKEDA},
		{"changes", c.breaks},
		{"a crowd", c.crowded},
	} {
		t.Run(part.name, func(t *testing.T) {
			c.t = t
			t.Cleanup(func() {
				if t.Failed() {
					t.Log(c.logs())
				}
			})
			part.do()
		})
		c.t = t
	}
}

func available(t *testing.T) {
	if os.Getenv("THUMBMILL_KUBERNETES") == "" {
		t.Skip("a Kubernetes cluster runs only in `make test-kubernetes`")
	}
	if os.Getuid() != 0 {
		t.Skip("only root can run a node in namespaces")
	}
	for _, program := range []string{home + "/bin/kubelet", home + "/bin/kube-router", home + "/bin/kwok", home + "/bin/keda-adapter", root + "/bin/helm", "/usr/lib/cni/ptp", "containerd", "runc", "iptables", "ipset", "conntrack", "ip", "memcached", "prometheus"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is not installed: run `make test-kubernetes`", program)
		}
	}
}

// restricted checks that the namespace's admission refuses a pod with more rights than the site's.
func (c *cluster) restricted() {
	c.t.Helper()
	out, err := c.kubectl("run", "intruder", "--image=registry.example/thumbmill-edge:1").CombinedOutput()
	if err == nil || !strings.Contains(string(out), `violates PodSecurity "restricted`) {
		c.t.Errorf("the admission accepts an unrestricted pod: %v %s", err, out)
	}
}

// confined checks that renderers confine their workers under the runtime's own profile of system calls.
func (c *cluster) confined() {
	c.t.Helper()
	log := c.run("logs", "deployment/thumbmill-renderer")
	for _, layer := range []string{"no_new_privs", "rlimits", "landlock", "seccomp"} {
		if !strings.Contains(log, layer) {
			c.t.Errorf("the renderer did not enter %s: %s", layer, log)
		}
	}
}

// fault is a change of the site under load. No request may fail.
type fault struct {
	name string
	do   func(c *cluster)
}

func faults() []fault {
	all := []fault{{"nothing", func(*cluster) {}}}
	for _, workload := range workloads() {
		all = append(all, fault{"kubectl rollout restart " + workload, func(c *cluster) {
			c.run("rollout", "restart", workload)
			c.rolled(workload)
		}})
	}
	return append(all,
		fault{"eviction of both edges at once", evict("thumbmill-edge", "deployment/thumbmill-edge")},
		fault{"eviction of both coordinators at once", evict("thumbmill-coordinator", "statefulset/thumbmill-coordinator")},
		fault{"kubectl delete --force of a renderer", func(c *cluster) {
			c.run("delete", "pod", "--force", c.pods("thumbmill-renderer")[0])
			c.rolled("deployment/thumbmill-renderer")
		}},
		fault{"kubectl delete --force of a coordinator", func(c *cluster) {
			c.run("delete", "pod", "--force", "thumbmill-coordinator-0")
			c.rolled("statefulset/thumbmill-coordinator")
		}},
		fault{"kubectl drain of a node, and back", drained},
		fault{"renderers scale from 2 to 4 to 1 to 2", func(c *cluster) {
			for _, n := range []int{4, 1, 2} {
				c.run("scale", "deployment/thumbmill-renderer", fmt.Sprintf("--replicas=%d", n))
				c.rolled("deployment/thumbmill-renderer")
			}
		}},
		fault{"helm upgrade with other settings", func(c *cluster) {
			c.helm("settings.log.level=warn")
			for _, workload := range workloads() {
				c.rolled(workload)
			}
		}},
	)
}

// evict returns a fault that evicts all pods of a role, as the drain of a node does. The role's
// disruption budget refuses the second one until the first one has a successor.
func evict(role, workload string) func(*cluster) {
	return func(c *cluster) {
		pods := c.pods(role)
		refused := 0
		for _, pod := range pods {
			eviction := fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q, "namespace": "thumbmill"}}`, pod)
			eventually.Succeeds(c.t, settles, "the eviction of "+pod, func() error {
				cmd := c.kubectl("create", "--raw", "/api/v1/namespaces/thumbmill/pods/"+pod+"/eviction", "--filename", "-")
				cmd.Stdin = strings.NewReader(eviction)
				out, err := cmd.CombinedOutput()
				if err != nil {
					err = fmt.Errorf("%w: %s", err, out)
				}
				if strings.Contains(string(out), "disruption budget") {
					refused++
				}
				return err
			})
		}
		if refused == 0 {
			c.t.Errorf("no eviction of %v waited for the disruption budget", pods)
		}
		c.rolled(workload)
	}
}

// drained drains the second node, where at least one pod of the site runs, and lets pods come back.
func drained(c *cluster) {
	before := strings.Fields(c.run("get", "pods", "--field-selector", "spec.nodeName="+name(2), "--output", "name"))
	if len(before) == 0 {
		c.t.Error("no pod runs on the second node")
	}
	c.run("drain", name(2), "--ignore-daemonsets", "--delete-emptydir-data", "--timeout="+settles.String())
	if left := c.run("get", "pods", "--field-selector", "spec.nodeName="+name(2), "--output", "name"); left != "" {
		c.t.Errorf("pods remain on a drained node: %s", left)
	}
	c.rolled("deployment/thumbmill-edge")
	c.rolled("deployment/thumbmill-renderer")
	c.run("uncordon", name(2))
	c.rolled("statefulset/thumbmill-coordinator") // a node has one coordinator at most while it has a neighbour
	c.t.Logf("the drain moves %d pods", len(before))
}

// visitors returns a load on the edges' Service.
func (c *cluster) visitors() *visitors.Load {
	service := "http://" + c.run("get", "service", "thumbmill-edge", "--output", "jsonpath={.spec.clusterIP}")
	transport := &http.Transport{DialContext: c.network.Dial, MaxIdleConnsPerHost: 100, DisableCompression: true}
	first := c.asked
	return visitors.New(c.t, visitors.Options{Front: service, PerSecond: 5, Transport: transport, Fresh: func(n int) string {
		c.asked = first + n // another load asks for other thumbnails
		return fmt.Sprintf("/unsafe/%dx/p/%d.jpg", 20+c.asked/originals, c.asked%originals)
	}})
}

// breaks causes all faults in turn under load.
func (c *cluster) breaks() {
	t, l := c.t, c.visitors()
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "change\trequests\tfailed\tslowest\tmet")
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			c.t = t
			l.Use(t)
			l.Begin()
			l.AwaitAnswers(2, time.Now())
			f.do(c)
			ended := time.Now()
			l.AwaitAnswers(4, ended)
			o := l.End()
			if lost := l.Lost(); len(lost) > 0 {
				t.Errorf("%d rendered thumbnails are not stored: %v", len(lost), lost[:min(len(lost), 3)])
			}
			visitors.Budget{}.Hold(t, o, ended)
			_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%.1f s\t%v\n", f.name, o.Requests, o.Failed, o.Slowest.Seconds(), map[bool]string{true: "no", false: "yes"}[t.Failed()])
		})
	}
	c.t = t
	_ = table.Flush()
	t.Log("\n" + out.String())
}
