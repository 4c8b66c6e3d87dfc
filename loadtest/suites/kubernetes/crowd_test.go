package kubernetes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/sleepers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
)

const (
	crowd   = 2000 // renderers
	running = 2    // of them; kwok reports the others' pods
	faked   = 40   // nodes
	gathers = 10 * time.Minute
	looked  = 20 * time.Second // at processor times
)

// crowded checks the control plane and the site with 2,000 renderers: kwok reports their pods as running and ready, on
// nodes that do not exist, and a process runs their renderers, whose renders sleep. No request may fail meanwhile.
func (c *cluster) crowded() {
	c.t.Helper()
	c.makeRoom()
	l := c.visitors()
	l.Begin()
	c.measure()
	ended := time.Now()
	l.AwaitAnswers(4, ended)
	o := l.End()
	if lost := l.Lost(); len(lost) > 0 {
		c.t.Errorf("%d rendered thumbnails are not stored: %v", len(lost), lost[:min(len(lost), 3)])
	}
	visitors.Budget{}.Hold(c.t, o, ended)
	c.t.Logf("of %d requests meanwhile, %d failed; the slowest took %.1f s", o.Requests, o.Failed, o.Slowest.Seconds())
	c.run("uncordon", name(1), name(2))
	c.run("delete", "node", "--selector", "type=kwok")
}

// makeRoom makes nodes for the crowd. The site's other pods are ready before, because they must run really. The
// programs that enforce the policies end, and their rules stay: only pods of nodes that do not exist come and go.
func (c *cluster) makeRoom() {
	c.t.Helper()
	c.helm()
	for _, workload := range workloads() {
		c.rolled(workload)
	}
	for _, stop := range c.enforcers {
		stop()
	}
	c.run("cordon", name(1), name(2))
	c.serve("", "kwok", home+"/bin/kwok", "--kubeconfig", c.path("state1/admin.conf"), "--config", home+"/bin/kwok.yaml",
		"--manage-nodes-with-label-selector", "type=kwok", "--node-ip", "10.90.0.3", "--cidr", "10.245.0.0/16", "--node-lease-duration-seconds", "40")
	c.fakeNodes()
}

// fakeNodes adds nodes that kwok keeps ready.
func (c *cluster) fakeNodes() {
	c.t.Helper()
	var all strings.Builder
	for i := range faked {
		room := `{cpu: "64", memory: 256Gi, ephemeral-storage: 1Ti, pods: "110"}`
		_, _ = fmt.Fprintf(&all, "---\n{apiVersion: v1, kind: Node, metadata: {name: fake-%d, labels: {type: kwok}}, status: {allocatable: %s, capacity: %s}}\n", i, room, room)
	}
	c.apply(all.String())
	c.run("wait", "--for=condition=Ready", "node", "--selector", "type=kwok", "--timeout="+settles.String())
}

// measure adds the renderers' pods, then the renderers of those that do not run, ends them, and prints what each part costs.
func (c *cluster) measure() {
	c.t.Helper()
	pause := func() { visitors.Lasts(looked) }
	few := during("with 2 renderers", rate, pause)
	pods := during("their pods begin", total, c.gather)
	var all *sleepers.Process
	begin := during("the renderers begin", total, func() { all = c.sleep() })
	many := during("with 2,000 renderers", rate, pause)
	c.t.Logf("Kubernetes has %s", c.objects())
	c.reports()
	end := during("they end", total, func() { all.End(); c.dissolve() })
	c.t.Logf("The processor time of processes:\n%s", table([]span{few, pods, begin, many, end}))
}

// gather adds the renderers' pods.
func (c *cluster) gather() {
	c.t.Helper()
	began := time.Now()
	c.helm(fmt.Sprint("renderer.replicas=", crowd))
	c.run("rollout", "status", "deployment/thumbmill-renderer", "--timeout="+gathers.String())
	c.t.Logf("%d renderers are ready after %.0f s", crowd, time.Since(began).Seconds())
}

// sleep runs the renderers of the pods that do not run. They have other machines in truth, so that they yield to the
// servers here.
func (c *cluster) sleep() *sleepers.Process {
	c.t.Helper()
	began := time.Now()
	all := sleepers.Start(c.t, sleepers.Order{Renderers: crowd - running, Slow: 1, Settings: c.renderer()}, "nsenter", "--net="+c.network.Path(""), "nice", "-n", "10")
	c.t.Cleanup(all.End)
	all.AwaitStart(gathers)
	started := time.Since(began)
	c.known(crowd)
	c.t.Logf("%d renderers are connected after %.0f s, and a coordinator knows all after %.0f s", crowd-running, started.Seconds(), time.Since(began).Seconds())
	return all
}

// renderer returns the settings of a renderer outside of Kubernetes, as variables.
func (c *cluster) renderer() []string {
	all := []string{"LOG_LEVEL=error", "NATS_URL=nats://" + node + ":4222", "NATS_REPLICAS=1", "NATS_CREDENTIALS=" + c.path("keys/renderer.creds"), "RENDERER_SLOTS=2", "RENDERER_TEMP_DIR=" + c.t.TempDir()}
	for _, store := range []string{"originals", "thumbnails"} {
		for setting, value := range map[string]string{"KIND": "swift", "CONTAINER": store, "AUTH_URL": "http://" + node + ":8080/auth/v1.0", "USER": "test:renderer", "KEY": "drawing"} {
			all = append(all, "STORE_"+strings.ToUpper(store)+"_"+setting+"="+value)
		}
	}
	for i := range all {
		all[i] = "THUMBMILL_" + all[i]
	}
	return all
}

// known waits until a coordinator reports n renderers.
func (c *cluster) known(n int) {
	c.t.Helper()
	client := c.client()
	eventually.Succeeds(c.t, gathers, fmt.Sprintf("a coordinator knows %d renderers", n), func() error {
		visitors.Lasts(time.Second) // a report of thousands of renderers is work
		var known []int
		for _, address := range c.addresses("thumbmill-coordinator") {
			text, err := ask(client, "http://"+address+"/api/v1/throttles")
			if err != nil {
				return err
			}
			var report struct{ Renderers []json.RawMessage }
			if err := json.Unmarshal([]byte(text), &report); err != nil {
				return fmt.Errorf("read the report of %s: %w", address, err)
			}
			known = append(known, len(report.Renderers))
		}
		if !slices.Contains(known, n) {
			return fmt.Errorf("they know %d", known)
		}
		return nil
	})
}

// reports asks each coordinator for the operators' report.
func (c *cluster) reports() {
	c.t.Helper()
	client := c.client()
	client.Timeout = settles
	for _, address := range c.addresses("thumbmill-coordinator") {
		began := time.Now()
		report, err := ask(client, "http://"+address+"/api/v1/throttles")
		if err != nil {
			c.t.Errorf("the operators' report: %v", err)
		}
		c.t.Logf("the operators' report has %d kB and takes %d ms", len(report)/1000, time.Since(began).Milliseconds())
	}
}

// dissolve goes back to the two real renderers: Kubernetes first ends the pods that share their node with others.
func (c *cluster) dissolve() {
	c.t.Helper()
	began := time.Now()
	c.helm()
	const pods = "app.kubernetes.io/name=thumbmill-renderer"
	c.run("wait", fmt.Sprint("--for=jsonpath={.status.replicas}=", running), "deployment/thumbmill-renderer", "--timeout="+gathers.String())
	eventually.Succeeds(c.t, gathers, "the crowd leaves", func() error {
		visitors.Lasts(time.Second) // a look at thousands of pods is work
		if left := len(strings.Fields(c.run("get", "pods", "--selector", pods, "--output", "name"))); left != running {
			return fmt.Errorf("%d renderers are left", left)
		}
		return nil
	})
	c.t.Logf("two renderers are left after %.0f s", time.Since(began).Seconds())
	for _, node := range strings.Fields(c.run("get", "pods", "--selector", pods, "--output", "jsonpath={.items[*].spec.nodeName}")) {
		if node != name(1) && node != name(2) {
			c.t.Errorf("Kubernetes ended a real renderer, and kept one on %s", node)
		}
	}
}
