package telemetry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"sigs.k8s.io/yaml"

	"github.com/thumbmill/thumbmill/coordinator"
	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/loadtest/tool/plan"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const deploy = "../../../deploy/"

// query is a query of a dashboard or an alert.
type query struct{ where, text string }

// dashboards returns every query of every dashboard.
func dashboards(t *testing.T) (all []query) {
	files, err := filepath.Glob(deploy + "grafana/*.json")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		var board struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err == nil {
			err = json.Unmarshal(text, &board)
		}
		if err != nil || board.Title == "" {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				all = append(all, query{board.Title + ", " + p.Title, target.Expr})
			}
		}
	}
	return all
}

// threshold matches the end of an alert's expression. Without that end, the expression always has a
// value.
var threshold = regexp.MustCompile(` [<>] [0-9.]+$`)

// alerts returns the query of each alert, and checks that the runbook has a section for it.
func alerts(t *testing.T) (all []query) {
	text, err := os.ReadFile(deploy + "prometheus/alerts.yml")
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations struct {
					Runbook string `json:"runbook_url"`
				}
			}
		}
	}
	if err == nil {
		err = yaml.Unmarshal(text, &file)
	}
	runbook, readErr := os.ReadFile(deploy + "../docs/runbook.md")
	if err != nil || readErr != nil {
		t.Fatal(err, readErr)
	}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if !threshold.MatchString(r.Expr) {
				t.Errorf("%s has no threshold at its end", r.Alert)
			}
			if !strings.Contains(string(runbook), "\n## "+r.Alert+"\n") || r.Annotations.Runbook != "docs/runbook.md#"+strings.ToLower(r.Alert) {
				t.Errorf("%s has no section in the runbook, or names none", r.Alert)
			}
			all = append(all, query{r.Alert, threshold.ReplaceAllString(r.Expr, "")})
		}
	}
	return all
}

// autoscalers returns the queries of the autoscalers.
func autoscalers(t *testing.T) (all []query) {
	text, err := os.ReadFile(deploy + "kubernetes/autoscaling/keda/keda.yaml")
	var scaled struct {
		Spec struct {
			Triggers []struct{ Metadata struct{ Query string } }
		}
	}
	if err == nil {
		err = yaml.Unmarshal(text, &scaled)
	}
	if err != nil || len(scaled.Spec.Triggers) != 1 {
		t.Fatalf("%+v %v", scaled, err)
	}
	wanted := scaled.Spec.Triggers[0].Metadata.Query
	adapter, err := os.ReadFile(deploy + "kubernetes/autoscaling/hpa/prometheus-adapter.yaml")
	if err != nil || !strings.Contains(string(adapter), "metricsQuery: "+wanted) {
		t.Errorf("the two autoscalers ask different questions: %v", err)
	}
	return []query{{"KEDA", wanted}}
}

// plansFrom reads a profile from this Prometheus, as loadtest plan does.
func plansFrom(t *testing.T, address string) {
	t.Helper()
	p, err := plan.FromPrometheus(address, 30*time.Second).Profile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if mean, _ := p.Moments(); len(p.Classes) != 1 || p.Classes[0].Type != "jpeg" || p.Slots != 1 || mean <= 0 || p.Fetch <= 0 || p.CPU <= 0 || p.Rate() <= 0 {
		t.Errorf("%+v", p)
	}
	if _, err := plan.FromPrometheus("http://"+servers.FreeAddress(t), time.Minute).Profile(t.Context()); err == nil {
		t.Error("a Prometheus that does not answer gives a profile")
	}
}

// startPrometheus starts a Prometheus that scrapes targets every second.
func startPrometheus(t *testing.T, address string, targets []string) {
	dir := t.TempDir()
	config := fmt.Sprintf("global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: thumbmill\n  static_configs:\n  - targets: [%s]\n", strings.Join(targets, ", "))
	if err := os.WriteFile(dir+"/prometheus.yml", []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("prometheus", "--config.file="+dir+"/prometheus.yml", "--storage.tsdb.path="+dir+"/data", "--web.listen-address="+address, "--log.level=error")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// historyOf waits until a coordinator's charts come from Prometheus, with values of rates, of gauges and of
// percentiles.
func historyOf(t *testing.T, co *coordinator.Coordinator) {
	t.Helper()
	eventually.Succeeds(t, time.Minute, "the charts come from Prometheus", func() error {
		w := httptest.NewRecorder()
		co.API().ServeHTTP(w, httptest.NewRequest(http.MethodGet, operators.ThrottlesHistory, nil))
		var h struct {
			Source string
			Values map[string][]float64
		}
		if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil || h.Source != "prometheus" {
			return fmt.Errorf("%q %w", h.Source, err)
		}
		for _, name := range []string{"request rendered", "refuse per-ip", "p95 rendered", "slots", "live", "wanted"} {
			if values := h.Values[name]; len(values) != 360 || slices.Max(values) <= 0 {
				return fmt.Errorf("%s: %v", name, values)
			}
		}
		return nil
	})
}

// ask returns the values of a query, except NaN.
func ask(address, text string) (values []float64, err error) {
	response, err := http.Get(address + "/api/v1/query?query=" + url.QueryEscape(text))
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Error string
		Data  struct {
			Result []struct{ Value [2]any }
		}
	}
	body, err := io.ReadAll(response.Body)
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if err != nil || answer.Error != "" {
		return nil, fmt.Errorf("%s %w", answer.Error, err)
	}
	for _, r := range answer.Data.Result {
		if value, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64); err == nil && !math.IsNaN(value) {
			values = append(values, value)
		}
	}
	return values, nil
}

// Every query of the dashboards and alerts returns something in a Prometheus that scrapes a busy
// cluster.
func TestDashboardsAndAlertsShowSomething(t *testing.T) {
	if out, err := exec.Command("promtool", "check", "rules", deploy+"prometheus/alerts.yml").CombinedOutput(); err != nil {
		t.Errorf("%s", out)
	}
	test := exec.Command("promtool", "test", "rules", "alerts_test.yml")
	test.Dir = deploy + "prometheus"
	if out, err := test.CombinedOutput(); err != nil {
		t.Errorf("%s", out)
	}
	if out, err := exec.Command("promtool", "check", "config", "--syntax-only", deploy+"prometheus/prometheus.yml").CombinedOutput(); err != nil {
		t.Errorf("%s", out)
	}
	free := servers.FreeAddress(t)
	address := "http://" + free
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Prometheus.URL = address
		s.Throttle.PerIP = settings.Pool{Workers: 1, MaxQueue: 1, Timeout: time.Second}
	}})
	body, err := samples.JPEG(samples.Landscape(900, 600))
	c.Original("a.jpg", body, err)
	c.Original("bad.jpg", []byte("\xff\xd8\xff\xe0\x00\x10JFIF"), nil)
	c.Edges[0].Registry.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	var targets []string
	for _, r := range append(c.Registries(), c.Edges[0].Registry) {
		server := httptest.NewServer(promhttp.HandlerFor(r, promhttp.HandlerOpts{}))
		defer server.Close()
		targets = append(targets, strings.TrimPrefix(server.URL, "http://"))
	}
	startPrometheus(t, free, targets)
	missing := append(append(dashboards(t), alerts(t)...), autoscalers(t)...)
	t.Logf("%d queries", len(missing))
	n := 0
	eventually.Succeeds(t, time.Minute, "every query returns something", func() error {
		for i := range 4 {
			c.Get(t.Context(), c.Edges[0], fmt.Sprintf("/unsafe/%dx/a.jpg", 100+(4*n+i)%4000), fmt.Sprintf("192.0.2.%d", n%2))
		}
		c.Get(t.Context(), c.Edges[0], "/unsafe/100x/bad.jpg", "192.0.2.1")
		n++
		var errs []error
		missing = slices.DeleteFunc(missing, func(q query) bool {
			values, err := ask(address, q.text)
			if err != nil || len(values) == 0 {
				errs = append(errs, fmt.Errorf("%s: %s returns %v %w", q.where, q.text, values, err))
			}
			return err == nil && len(values) > 0
		})
		return errors.Join(errs...)
	})
	plansFrom(t, address)
	historyOf(t, c.Coordinators[0])
}
