package reference

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// metric is a row of a role's table.
type metric struct {
	name, kind, help string
	labels           []string
}

// registered starts a cluster and returns the metrics that each role registers, by name.
func registered(t *testing.T) map[string][]metric {
	t.Helper()
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Upload.Subject = "uploads"
		s.Render.Buckets = []int{960}
	}})
	body, err := samples.JPEG(samples.Landscape(300, 200))
	c.Original("a.jpg", body, err)
	c.Original("bad.jpg", []byte("no picture"), nil)
	for _, name := range []string{"a.jpg", "a.jpg", "bad.jpg", "absent.jpg"} {
		c.Get(t.Context(), c.Edges[0], "/unsafe/60x/"+name, "192.0.2.1")
	}
	c.Renders()
	registries := c.Registries()
	return map[string][]metric{
		"edge": metrics(t, c.Edges[0].Registry), "coordinator": metrics(t, registries[0]), "renderer": metrics(t, registries[1]),
	}
}

// metrics returns the metrics of a registry, with and without values.
func metrics(t *testing.T, r *prometheus.Registry) []metric {
	t.Helper()
	all := map[string]metric{}
	descs := make(chan *prometheus.Desc, 1000)
	r.Describe(descs)
	close(descs)
	for desc := range descs {
		if m, ok := described(t, desc); ok {
			all[m.name] = m
		}
	}
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "thumbmill_") {
			all[f.GetName()] = gathered(f)
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b metric) int { return cmp.Compare(a.name, b.name) })
}

// gathered returns a metric with a value.
func gathered(f *dto.MetricFamily) metric {
	m := metric{name: f.GetName(), kind: strings.ToLower(f.GetType().String()), help: f.GetHelp()}
	for _, pair := range f.GetMetric()[0].GetLabel() {
		m.labels = append(m.labels, pair.GetName())
	}
	return m
}

var (
	description = regexp.MustCompile(`^Desc\{fqName: "(thumbmill_\w+)", help: ("(?:[^"\\]|\\.)*"), unit: "[^"]*", constLabels: \{(.*)\}, variableLabels: \{(.*)\}\}$`)
	constLabel  = regexp.MustCompile(`(\w+)="`)
)

// described returns a metric without a value. Its kind comes from its name: the telemetry suite
// checks that names follow Prometheus' conventions.
func described(t *testing.T, desc *prometheus.Desc) (m metric, ok bool) {
	t.Helper()
	parts := description.FindStringSubmatch(desc.String())
	if parts == nil {
		if strings.Contains(desc.String(), "thumbmill_") {
			t.Errorf("cannot parse the description %s", desc)
		}
		return m, false
	}
	help, err := strconv.Unquote(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	m = metric{name: parts[1], help: help, kind: "gauge"}
	switch {
	case strings.HasSuffix(m.name, "_total"):
		m.kind = "counter"
	case strings.HasSuffix(m.name, "_seconds") && parts[4] != "":
		m.kind = "histogram"
	}
	for _, c := range constLabel.FindAllStringSubmatch(parts[3], -1) {
		m.labels = append(m.labels, c[1])
	}
	if parts[4] != "" {
		m.labels = append(m.labels, strings.Split(parts[4], ",")...)
	}
	slices.Sort(m.labels)
	return m, true
}
