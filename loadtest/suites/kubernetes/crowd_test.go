package kubernetes

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const (
	crowd   = 2000 // renderers
	faked   = 40   // nodes
	gathers = 10 * time.Minute
	looked  = 20 * time.Second // at processor times
)

// crowded checks the control plane and the site with 2,000 renderers: kwok reports their pods as running and ready, on
// nodes that do not exist, and the test sends their heartbeats. The two real renderers serve visitors meanwhile.
func (c *cluster) crowded() {
	c.t.Helper()
	c.serve("", "kwok", nil, home+"/bin/kwok", "--kubeconfig", c.path("state1/admin.conf"), "--config", home+"/bin/kwok.yaml",
		"--manage-nodes-with-label-selector", "type=kwok", "--node-ip", "10.90.0.3", "--cidr", "10.245.0.0/16")
	c.fakeNodes()
	c.helm()
	for _, workload := range workloads() {
		c.rolled(workload)
	}
	c.run("cordon", name(1), name(2)) // the others must not run really
	l := c.visitors()
	l.Begin()
	began := time.Now()
	c.helm(fmt.Sprint("renderer.replicas=", crowd))
	c.run("rollout", "status", "deployment/thumbmill-renderer", "--timeout="+gathers.String())
	c.t.Logf("%d renderers are ready after %.0f s", crowd, time.Since(began).Seconds())
	stop := c.beat(crowd - 2)
	c.known(crowd)
	c.costs()
	stop()
	l.AwaitAnswers(4, time.Now())
	o := l.End()
	visitors.Budget{}.Hold(c.t, o, time.Now())
	c.t.Logf("none of %d requests may fail meanwhile: %d failed, the slowest took %.1f s", o.Requests, o.Failed, o.Slowest.Seconds())
	began = time.Now()
	c.helm()
	eventually.Succeeds(c.t, gathers, "the crowd leaves", func() error {
		if left := len(strings.Fields(c.run("get", "pods", "--selector", "app.kubernetes.io/name=thumbmill-renderer", "--output", "name"))); left != 2 {
			return fmt.Errorf("%d renderers are left", left)
		}
		return nil
	})
	c.t.Logf("two renderers are left after %.0f s", time.Since(began).Seconds())
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

// beat sends heartbeats of n renderers like a real one, until stop.
func (c *cluster) beat(n int) (stop func()) {
	c.t.Helper()
	heard := make(chan renderjob.Heartbeat, 1)
	ears := c.nats("edge")
	if _, err := ears.Subscribe(renderjob.AllHeartbeats, func(m *nats.Msg) {
		var h renderjob.Heartbeat
		if json.Unmarshal(m.Data, &h) == nil && h.Digest != "" {
			select {
			case heard <- h:
			default:
			}
		}
	}); err != nil {
		c.t.Fatal(err)
	}
	model, mouth, done, ended := <-heard, c.nats("renderer"), make(chan struct{}), make(chan struct{})
	ears.Close()
	go func() {
		defer close(ended)
		ticks := time.NewTicker(renderjob.HeartbeatEvery / 10) // a tenth of the renderers each time
		defer ticks.Stop()
		for tenth := 0; ; tenth = (tenth + 1) % 10 {
			for i := tenth; i < n; i += 10 {
				h := model
				h.Renderer, h.Busy, h.InHand = fmt.Sprint("renderer-crowd-", i), 0, 0
				text, _ := json.Marshal(h)
				_ = mouth.Publish(renderjob.HeartbeatSubject(h.Renderer), text)
			}
			select {
			case <-ticks.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended; mouth.Close() }
}

// nats connects to NATS as a role.
func (c *cluster) nats(role string) *nats.Conn {
	c.t.Helper()
	conn, err := nats.Connect("nats://"+node+":4222", nats.UserCredentials(c.path("keys/"+role+".creds")), nats.SetCustomDialer(dialer{c.network}))
	if err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// known waits until a coordinator reports n renderers, and until its page shows.
func (c *cluster) known(n int) {
	c.t.Helper()
	client := c.client()
	eventually.Succeeds(c.t, settles, fmt.Sprintf("a coordinator knows %d renderers", n), func() error {
		var known int
		for _, address := range c.addresses("thumbmill-coordinator") {
			text, err := ask(client, "http://"+address+"/api/v1/throttles")
			if err != nil {
				return err
			}
			var report struct {
				Renderers []json.RawMessage `json:"renderers"`
			}
			if err := json.Unmarshal([]byte(text), &report); err != nil {
				return err
			}
			known = max(known, len(report.Renderers))
		}
		if known != n {
			return fmt.Errorf("they know %d", known)
		}
		return nil
	})
	for _, address := range c.addresses("thumbmill-coordinator") {
		began := time.Now()
		page, err := ask(client, "http://"+address+"/")
		if err != nil || !strings.Contains(page, "<title>") {
			c.t.Errorf("the operators' page of %d renderers: %v %.300s", n, err, page)
		}
		c.t.Logf("the operators' page has %d kB and takes %d ms", len(page)/1000, time.Since(began).Milliseconds())
	}
}

// costs prints the processor time and the memory of each role.
func (c *cluster) costs() {
	c.t.Helper()
	const cpu, memory = "process_cpu_seconds_total", "process_resident_memory_bytes"
	client := c.client()
	pods := append(c.addresses("thumbmill-edge"), c.addresses("thumbmill-coordinator")...)
	figure := func(address, metric string) float64 {
		n, err := read(client, "http://"+address+"/metrics", metric)
		if err != nil {
			c.t.Fatal(err)
		}
		return n
	}
	before := map[string]float64{}
	for _, address := range pods {
		before[address] = figure(address, cpu)
	}
	visitors.Lasts(looked)
	for i, address := range pods {
		role := "edge"
		if i >= len(c.addresses("thumbmill-edge")) {
			role = "coordinator"
		}
		c.t.Logf("%s: %.1f %% of a core, %.0f MB", role, 100*(figure(address, cpu)-before[address])/looked.Seconds(), figure(address, memory)/1e6)
	}
}
