package kubernetes

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
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
// nodes that do not exist, and a process runs their renderers, whose renders sleep.
func (c *cluster) crowded() {
	c.t.Helper()
	c.serve("", "kwok", home+"/bin/kwok", "--kubeconfig", c.path("state1/admin.conf"), "--config", home+"/bin/kwok.yaml",
		"--manage-nodes-with-label-selector", "type=kwok", "--node-ip", "10.90.0.3", "--cidr", "10.245.0.0/16", "--node-lease-duration-seconds", "40")
	c.fakeNodes()
	c.helm()
	for _, workload := range workloads() {
		c.rolled(workload)
	}
	c.run("cordon", name(1), name(2)) // the others must not run really
	l := c.visitors()
	l.Begin()
	c.renderAsACrowd()
	ended := time.Now()
	c.dissolve()
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

// gather adds the renderers' pods.
func (c *cluster) gather() {
	c.t.Helper()
	before, began := c.controlPlane(), time.Now()
	c.helm(fmt.Sprint("renderer.replicas=", crowd))
	c.run("rollout", "status", "deployment/thumbmill-renderer", "--timeout="+gathers.String())
	c.t.Logf("%d renderers are ready after %.0f s, in which the control plane needs:\n%s", crowd, time.Since(began).Seconds(), spent(before, c.controlPlane(), time.Second, "s of processor time"))
	c.t.Logf("Kubernetes has %s", c.objects())
}

// renderAsACrowd adds the renderers' pods, runs the renderers of the ones that do not run, and measures the cluster and the
// site with them. The renderers have other machines in truth, so that they yield to the servers here.
func (c *cluster) renderAsACrowd() {
	c.t.Helper()
	began := time.Now()
	pid, end := sleepers.Start(c.t, sleepers.Order{Renderers: crowd - running, Slow: 1, Settings: c.renderer()}, "nsenter", "--net="+c.network.Path(""), "nice", "-n", "10")
	defer end()
	c.gather()
	c.known(crowd)
	c.t.Logf("a coordinator knows all renderers after %.0f s", time.Since(began).Seconds())
	c.costs(pid)
	c.reports()
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
	for _, address := range c.addresses("thumbmill-coordinator") {
		began := time.Now()
		report, err := ask(client, "http://"+address+"/api/v1/throttles")
		if err != nil {
			c.t.Errorf("the operators' report: %v", err)
		}
		c.t.Logf("the operators' report has %d kB and takes %d ms", len(report)/1000, time.Since(began).Milliseconds())
	}
}

// usage is the processor time of processes by name.
type usage map[string]time.Duration

// controlPlane returns the usage of Kubernetes' components on the first node.
func (c *cluster) controlPlane() usage {
	all := usage{}
	for _, pid := range processes.Below(c.first) {
		if name := processes.Stat(pid).Comm; strings.HasPrefix(name, "kube-") || name == "etcd-server" {
			own, _ := processes.Time(pid)
			all[name] += own
		}
	}
	return all
}

// site returns the usage of the site's pods by role, of NATS, and of the process of renderers.
func (c *cluster) site(crowd int) usage {
	c.t.Helper()
	all := usage{}
	all["NATS"], _ = processes.Time(c.servers.NATS())
	all["1,998 renderers that sleep"], _ = processes.Time(crowd)
	client := c.client()
	for _, role := range []string{"edge", "purger", "coordinator"} {
		for i, address := range c.addresses("thumbmill-" + role) {
			seconds, err := read(client, "http://"+address+"/metrics", "process_cpu_seconds_total")
			if err != nil {
				c.t.Fatal(err)
			}
			all[fmt.Sprint(role, " ", i+1)] = time.Duration(seconds * float64(time.Second))
		}
	}
	return all
}

// costs prints the processor time of the site and of the control plane for a second, and the memory of the site's pods.
func (c *cluster) costs(pid int) {
	c.t.Helper()
	site, plane, began := c.site(pid), c.controlPlane(), time.Now()
	visitors.Lasts(looked)
	siteAfter, planeAfter, hundredth := c.site(pid), c.controlPlane(), time.Since(began)/100
	c.t.Logf("with %d renderers, the site and the control plane need:\n%s%s", crowd, spent(site, siteAfter, hundredth, "% of a core"), spent(plane, planeAfter, hundredth, "% of a core"))
	client := c.client()
	for _, role := range []string{"edge", "coordinator"} {
		for _, address := range c.addresses("thumbmill-" + role) {
			bytes, err := read(client, "http://"+address+"/metrics", "process_resident_memory_bytes")
			if err != nil {
				c.t.Error(err)
			}
			c.t.Logf("%s: %.0f MB", role, bytes/1e6)
		}
	}
}

// spent returns a table of the usage between two looks, in a unit.
func spent(before, after usage, unit time.Duration, name string) string {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, process := range slices.Sorted(maps.Keys(after)) {
		_, _ = fmt.Fprintf(table, "%s\t%.1f %s\n", process, float64(after[process]-before[process])/float64(unit), name)
	}
	_ = table.Flush()
	return out.String()
}

// objects says how many objects of Kubernetes exist, and their store's size.
func (c *cluster) objects() string {
	c.t.Helper()
	sums := map[string]float64{}
	for line := range strings.Lines(c.run("get", "--raw", "/metrics")) {
		name, _, _ := strings.Cut(line, "{")
		fields := strings.Fields(line)
		if n, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil {
			sums[name] += n
		}
	}
	return fmt.Sprintf("%.0f objects in %.0f MB of etcd", sums["apiserver_resource_objects"], sums["apiserver_storage_size_bytes"]/1e6)
}
