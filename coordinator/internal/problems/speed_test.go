package problems

import (
	"testing"

	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
)

// timed is a cluster whose renders mostly read their originals.
func timed() *snapshot.Throttles {
	t := healthy()
	t.Latest.Values = map[string]float64{"p50 rendered": 450, "p95 rendered": 1200, "p50 hit": 0.4, "p95 hit": 12}
	t.Steps = map[string]float64{"lookup": 2, "head": 8, "admit": 40, "publish": 1, "render": 449, "queued": 20, "fetch": 292, "worker": 80}
	return t
}

func TestSpeed(t *testing.T) {
	quiet, hitsAlone := healthy(), timed()
	delete(hitsAlone.Latest.Values, "p50 rendered")
	alone := timed()
	delete(alone.Latest.Values, "p50 hit")
	alone.Steps = nil
	for want, r := range map[string]*snapshot.Throttles{
		" edges": quiet,
		"Renders take 450 ms (p95 1.2 s); 60 % of that is reading originals. Stored thumbnails take 0.4 ms (p95 12 ms). edges": timed(),
		"Stored thumbnails take 0.4 ms (p95 12 ms). edges":                                                                     hitsAlone,
		"Renders take 450 ms (p95 1.2 s). edges":                                                                               alone,
	} {
		if Describe(r, values{}); r.Speed.Sentence+" "+r.Speed.Page != want {
			t.Errorf("%q, want %q", r.Speed.Sentence+" "+r.Speed.Page, want)
		}
	}
}

func TestSlowness(t *testing.T) {
	usual := values{"p50 rendered": 450}
	for name, c := range map[string]struct {
		change  func(*snapshot.Throttles)
		history values
		want    string
	}{
		"as usual":        {func(*snapshot.Throttles) {}, values{}, ""},
		"slower":          {func(*snapshot.Throttles) {}, usual, "warning edges Renders take 450 ms at the median, 10 times as long as usual: 60 % of the time is reading originals. []"},
		"no steps":        {func(t *snapshot.Throttles) { t.Steps = nil }, usual, "warning edges Renders take 450 ms at the median, 10 times as long as usual. []"},
		"still fast":      {func(t *snapshot.Throttles) { t.Latest.Values["p50 rendered"] = 299 }, usual, ""},
		"no render":       {func(t *snapshot.Throttles) { delete(t.Latest.Values, "p50 rendered") }, usual, ""},
		"a slow origin":   {func(t *snapshot.Throttles) { t.Steps["fetch"] = 1300 }, values{}, "warning edges Originals take 1.3 s to read. []"},
		"slow thumbnails": {func(t *snapshot.Throttles) { t.Latest.Values["p95 hit"] = 600 }, values{}, "warning edges Stored thumbnails take 600 ms at p95. []"},
	} {
		r := timed()
		c.change(r)
		if Describe(r, c.history); said(r.Problems) != c.want {
			t.Errorf("%s: %s", name, said(r.Problems))
		}
		for _, p := range r.Problems {
			if p.Remedy == "" {
				t.Errorf("%s: no remedy", name)
			}
		}
	}
	r := flooded()
	r.Latest, r.Steps = timed().Latest, timed().Steps
	if Describe(r, usual); r.Problems[len(r.Problems)-1].Severity != snapshot.Note {
		t.Error("a client's flood makes slow renders a warning")
	}
}
