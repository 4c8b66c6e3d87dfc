package kubernetes

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/namespace"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/visitors"
)

const metric = "thumbmill_renderers_wanted"

// registration makes the API of external metrics a part of Kubernetes' API, served by an adapter in the first node's
// network.
const registration = `
apiVersion: v1
kind: Service
metadata: {name: adapter, namespace: default}
spec: {ports: [{port: 443, targetPort: %[1]d}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: adapter, namespace: default}
subsets: [{addresses: [{ip: 10.90.0.1}], ports: [{port: %[1]d}]}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.external.metrics.k8s.io}
spec: {group: external.metrics.k8s.io, version: v1beta1, groupPriorityMinimum: 100, versionPriority: 100, insecureSkipTLSVerify: true, service: {name: adapter, namespace: default}}
`

// register makes the server at a port the one of external metrics, until the end of the part. A server that the part starts
// before ends later: kubectl complains about parts of the API that do not answer.
func (c *cluster) register(port int) {
	c.t.Helper()
	c.t.Cleanup(func() {
		if out, err := c.kubectl("delete", "apiservice", "v1beta1.external.metrics.k8s.io", "--ignore-not-found").CombinedOutput(); err != nil {
			c.t.Errorf("end the API of external metrics: %v %s", err, out)
		}
	})
	c.apply(fmt.Sprintf(registration, port))
}

// followed checks that the autoscaler follows the coordinators' number of wanted renderers, and a larger number of the
// test, up and down without a step back.
func (c *cluster) followed() {
	c.t.Helper()
	var least atomic.Int64
	c.serveMetric(func() (int64, error) {
		live, err := c.wanted()
		return max(live, least.Load()), err
	})
	c.register(6444)
	c.helm("autoscaling.by=hpa")
	// In a coordinator's first minute, its number is at least the number of renderers, and it falls five minutes later.
	visitors.Lasts(time.Until(c.installed.Add(70 * time.Second)))
	for _, n := range []int64{4, 0} {
		c.moves(int(max(n, 2)), func() { least.Store(n) })
	}
	c.helm()
	c.rolled("deployment/thumbmill-renderer")
}

// moves waits until the autoscaler wants a number of renderers for a cause, and stays there. The chart leaves the number to
// the autoscaler, whose minimum is 2.
func (c *cluster) moves(to int, cause func()) {
	c.t.Helper()
	var seen []int
	read := func() int {
		n := c.renderers()
		if len(seen) == 0 || seen[len(seen)-1] != n {
			seen = append(seen, n)
		}
		return n
	}
	if read() == to {
		c.t.Errorf("%d renderers are there before the cause", to)
	}
	cause()
	began := time.Now()
	eventually.Succeeds(c.t, settles, fmt.Sprintf("the autoscaler wants %d renderers", to), func() error {
		visitors.Lasts(time.Second)
		if n := read(); n != to {
			out, _ := c.kubectl("describe", "hpa").CombinedOutput()
			return fmt.Errorf("%d: %s", n, out)
		}
		return nil
	})
	took := time.Since(began)
	for range 20 { // four looks of the autoscaler
		visitors.Lasts(time.Second)
		read()
	}
	rising := seen[0] < to
	for i := 1; i < len(seen); i++ {
		if (seen[i] > seen[i-1]) != rising {
			c.t.Errorf("the number of renderers flaps: %v", seen)
		}
	}
	if slices.Min(seen) < 2 {
		c.t.Errorf("the number of renderers falls below the minimum: %v", seen)
	}
	c.t.Logf("the autoscaler goes %v in %.0f s", seen, took.Seconds())
}

// stays checks that the autoscaler leaves the number of renderers for several of its looks.
func (c *cluster) stays(at int) {
	c.t.Helper()
	for range 40 { // two of KEDA's looks, eight of the autoscaler's
		visitors.Lasts(time.Second)
		if n := c.renderers(); n != at {
			c.t.Errorf("the autoscaler wants %d renderers without a metric, had %d", n, at)
			return
		}
	}
}

// renderers returns the number that the deployment has now.
func (c *cluster) renderers() int {
	c.t.Helper()
	n, err := strconv.Atoi(c.run("get", "deployment", "thumbmill-renderer", "--output", "jsonpath={.spec.replicas}"))
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// wanted returns the largest number of wanted renderers that a coordinator reports.
func (c *cluster) wanted() (most int64, err error) {
	client := c.client()
	for _, address := range c.addresses("thumbmill-coordinator") {
		n, err := read(client, "http://"+address+"/metrics", metric)
		if err != nil {
			return 0, err
		}
		most = max(most, int64(n))
	}
	return most, nil
}

// client returns a client in the first node's network.
func (c *cluster) client() *http.Client {
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DialContext: c.network.Dial, DisableKeepAlives: true}}
}

// addresses returns the operators' listeners of a role.
func (c *cluster) addresses(role string) (all []string) {
	out, _ := c.kubectl("get", "pods", "--selector", "app.kubernetes.io/name="+role, "--output", "jsonpath={.items[*].status.podIP}").Output()
	for _, address := range strings.Fields(string(out)) {
		all = append(all, net.JoinHostPort(address, "8889"))
	}
	return all
}

// ask returns the body of an answer with status 200.
func ask(client *http.Client, url string) (string, error) {
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %.300s", url, response.Status, text)
	}
	return string(text), err
}

// read returns a metric's value in an exposition.
func read(client *http.Client, url, metric string) (float64, error) {
	text, err := ask(client, url)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), metric+" "); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, fmt.Errorf("%s has no %s", url, metric)
}

// serveMetric serves the API of external metrics in the first node's network until the test ends.
func (c *cluster) serveMetric(value func() (int64, error)) {
	c.t.Helper()
	listener, err := namespace.Listen(c.network.Path(""), "tcp", node+":6444")
	if err != nil {
		c.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const api = "external.metrics.k8s.io/v1beta1"
		answer := map[string]any{
			"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": api,
			"resources": []any{map[string]any{"name": metric, "namespaced": true, "kind": "ExternalMetricValueList", "verbs": []string{"get"}}},
		}
		if strings.HasSuffix(r.URL.Path, "/"+metric) {
			n, err := value()
			if err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			answer = map[string]any{"kind": "ExternalMetricValueList", "apiVersion": api, "metadata": map[string]any{}, "items": []any{
				map[string]any{"metricName": metric, "metricLabels": map[string]string{}, "timestamp": time.Now().UTC().Format(time.RFC3339), "value": strconv.FormatInt(n, 10)},
			}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}))
	_ = server.Listener.Close()
	server.Listener = listener
	server.StartTLS()
	c.t.Cleanup(server.Close)
}
