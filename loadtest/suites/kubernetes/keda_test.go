package kubernetes

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/namespace"
)

const (
	prometheus = node + ":9090"
	exporter   = node + ":9099" // of the test's own number of wanted renderers
)

// followedByKEDA checks that KEDA's own controller scales renderers by the chart's ScaledObject, with the numbers that
// Prometheus has from the coordinators and a larger one of the test, up and down without a step back; and that the number
// of renderers stays while Prometheus does not answer.
func (c *cluster) followedByKEDA() {
	c.t.Helper()
	var least atomic.Int64
	c.export(&least)
	c.keda()
	stop := c.prometheus()
	c.helm("autoscaling.by=keda", "autoscaling.prometheus=http://"+prometheus)
	c.moves(3, func() { least.Store(3) })
	stop()
	least.Store(0)
	c.stays(3)
	c.moves(2, func() { c.t.Cleanup(c.prometheus()) })
	c.helm()
	c.rolled("deployment/thumbmill-renderer")
	c.run("wait", "--for=delete", "scaledobject/thumbmill-renderer", "--timeout="+settles.String())
}

// export serves a number of wanted renderers to Prometheus until the test ends.
func (c *cluster) export(number *atomic.Int64) {
	c.t.Helper()
	listener, err := namespace.Listen(c.network.Path(""), "tcp", exporter)
	if err != nil {
		c.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %d\n", metric, number.Load())
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	c.t.Cleanup(server.Close)
}

// prometheus runs Prometheus, and waits until it scrapes the coordinators and the test's own number. Debian's Prometheus is
// built without the discovery of Kubernetes' pods, so that it gets their addresses.
func (c *cluster) prometheus() (stop func()) {
	c.t.Helper()
	targets := append(c.addresses("thumbmill-coordinator"), exporter)
	text := fmt.Sprintf("global: {scrape_interval: 2s}\nscrape_configs:\n- {job_name: thumbmill, static_configs: [{targets: [%s]}]}\n", strings.Join(targets, ", "))
	if err := os.WriteFile(c.path("prometheus.yml"), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	stop = c.serve("", "prometheus", "prometheus", "--config.file", c.path("prometheus.yml"), "--storage.tsdb.path", c.path("prometheus"), "--web.listen-address", prometheus)
	client := c.client()
	eventually.Succeeds(c.t, settles, "Prometheus scrapes the coordinators", func() error {
		up, err := ask(client, "http://"+prometheus+"/api/v1/query?query=sum(up)")
		if want := fmt.Sprintf(`"%d"]`, len(targets)); err == nil && !strings.Contains(up, want) {
			err = fmt.Errorf("want %s of %s", want, up)
		}
		return err
	})
	return stop
}

// keda runs KEDA's controller and its server of metrics until the end of the part, with the definitions of KEDA's objects.
func (c *cluster) keda() {
	c.t.Helper()
	dir := c.path("keda")
	if err := os.Mkdir(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	c.must(exec.Command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", dir+"/tls.key", "-out", dir+"/tls.crt"))
	c.must(exec.Command("cp", dir+"/tls.crt", dir+"/ca.crt"))
	c.run("create", "namespace", "keda")
	c.run("apply", "--server-side", "--kustomize", home+"/bin/keda")
	c.run("wait", "--for=condition=Established", "crd", "--all", "--timeout="+settles.String())
	admin := c.path("state1/admin.conf")
	serve := func(program string, words ...string) {
		env := []string{"env", "WATCH_NAMESPACE=", "POD_NAMESPACE=keda", "KEDA_CLUSTER_OBJECT_NAMESPACE=keda", "KUBECONFIG=" + admin, home + "/bin/" + program, "--cert-dir", dir}
		c.t.Cleanup(c.serve("", program, append(env, words...)...))
	}
	serve("keda-operator", "--metrics-bind-address", "127.0.0.1:18080", "--health-probe-bind-address", "127.0.0.1:18081", "--metrics-service-bind-address", "127.0.0.1:9666")
	serve("keda-adapter", "--secure-port", "6445", "--port", "18082", "--metrics-service-address", "localhost:9666",
		"--tls-cert-file", dir+"/tls.crt", "--tls-private-key-file", dir+"/tls.key", "--client-ca-file", dir+"/ca.crt",
		"--lister-kubeconfig", admin, "--authentication-kubeconfig", admin, "--authorization-kubeconfig", admin)
	c.register(6445)
	c.run("wait", "--for=condition=Available", "apiservice/v1beta1.external.metrics.k8s.io", "--timeout="+settles.String())
}
