package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
)

// Names and helps follow Prometheus' conventions. No request can make unlimited series: labels have
// bounded sets of values.
func TestMetricsAreCleanAndBounded(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Workers: true})
	body, err := samples.JPEG(samples.Landscape(300, 200))
	c.Original("a.jpg", body, err)
	c.Original("bad.jpg", []byte("no picture"), nil)
	ask := func(paths ...string) {
		for _, path := range paths {
			c.Get(t.Context(), c.Edges[0], path, "192.0.2.1")
		}
		c.Renders()
	}
	ask("/unsafe/60x/a.jpg", "/unsafe/60x/a.jpg", "/unsafe/60x/bad.jpg", "/unsafe/60x/absent.jpg", "/unsafe/x/y", "/nonsense")
	registries := append(c.Registries(), c.Edges[0].Registry)
	count := func() (n int) {
		for _, r := range registries {
			n += series(t, r)
		}
		return n
	}
	before := count()
	for i := range 30 {
		odd := strings.Repeat(string(rune('a'+i%26)), 1+i)
		ask("/unsafe/"+strings.Repeat("1", 1+i%3)+"x/a.jpg", "/unsafe/60x/"+odd+".jpg", "/"+odd, "/unsafe/60x/filters:"+odd+"(1)/a.jpg", "/wikipedia/"+odd+"/thumb/a/ab/X.jpg/60px-X.jpg")
	}
	if after := count(); after > before+20 { // new outcomes
		t.Errorf("%d series, %d before", after, before)
	}
	for _, r := range registries {
		problems, err := testutil.GatherAndLint(r)
		if err != nil {
			t.Error(err)
		}
		for _, p := range problems {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

func series(t *testing.T, r *prometheus.Registry) (n int) {
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		n += len(f.GetMetric())
	}
	return n
}
