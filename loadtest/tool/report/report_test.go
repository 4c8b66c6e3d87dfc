package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/tool/drive"
)

// record is a run of ten seconds, whose renders take ms longer in each part; its last second is cut off.
func record(ms float64, failures int) *drive.Record {
	r := &drive.Record{
		Began: time.Unix(1e9, 0), Sending: 10, Outcomes: map[string]int{"200 stored": 900, "200 rendered": 100, "404": failures},
		Latency: map[string]map[string]float64{"200 stored": {"p50": 1}, "200 rendered": {"p50": 100 + ms}},
		Curve:   map[string][]float64{"200 rendered": make([]float64, len(drive.CurvePercents()))},
	}
	for i := range 11 {
		r.Seconds = append(r.Seconds, drive.Second{
			At: min(float64(i+1), 10.2), Sent: 100, Outcomes: map[string]int{"200 stored": 90, "200 rendered": 10},
			Kinds: map[string][2]float64{drive.Stored: {1, 2}, drive.Rendered: {100, 200}},
		})
	}
	for i := range drive.Parts {
		noise := float64(i % 3)
		r.Parts = append(r.Parts, drive.Part{
			Outcomes: map[string]int{"200 stored": 90 + i%2, "200 rendered": 10, "404": failures / drive.Parts},
			Latency:  map[string]map[string]float64{"200 rendered": {"p50": 100 + ms + noise + float64(10*i)}, "200 stored": {"p50": 1 + noise*ms/20 - ms/20}},
		})
	}
	return r
}

func rowOf(t *testing.T, text, name string) string {
	t.Helper()
	for row := range strings.Lines(text) {
		if strings.HasPrefix(row, name) {
			return strings.TrimSpace(row)
		}
	}
	t.Errorf("no row %q in\n%s", name, text)
	return ""
}

// A comparison says which run is which. A shift of every part is beyond noise, although parts differ more
// among each other; a difference that goes both ways is within.
func TestCompare(t *testing.T) {
	var out bytes.Buffer
	if err := Compare(&out, Report{Title: "old", Record: record(0, 20)}, Report{Title: "new", Record: record(20, 20)}); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if !strings.Contains(text, "before:  old, ") || !strings.Contains(text, "after:   new, ") {
		t.Error(text)
	}
	for name, want := range map[string]string{
		"200 rendered p50 ms": "100.0   120.0  1.20            beyond noise", "200 stored p50 ms": withinNoise, "404 per second": withinNoise, "200 rendered p99 ms": unknown,
	} {
		if row := rowOf(t, text, name); !strings.HasSuffix(row, want) {
			t.Errorf("%s, want %q", row, want)
		}
	}
	old := record(0, 0)
	old.Parts = nil // of an earlier version
	out.Reset()
	if err := Compare(&out, Report{Record: old}, Report{Record: record(20, 0)}); err != nil || !strings.HasSuffix(rowOf(t, out.String(), "200 rendered p50 ms"), unknown) {
		t.Errorf("%v\n%s", err, &out)
	}
}

// Success is never red, 404 is not green, and each outcome has one colour everywhere.
func TestThePage(t *testing.T) {
	r := Report{Title: "a <run>", Asked: map[string]string{"load": "10s@100"}, Record: record(0, 20)}
	var out bytes.Buffer
	if err := r.HTML(&out); err != nil {
		t.Fatal(err)
	}
	page := out.String()
	for _, want := range []string{"a &lt;run&gt;", "--load", "stored p95", "rendered p50", "percentile", "99.9", Colour("404")} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in the page", want)
		}
	}
	if n := len(r.whole()); n != 10 {
		t.Errorf("%d whole seconds", n)
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "ZgotmplZ") {
		t.Error(page)
	}
	red, green := Colour("500"), Colour("200")
	for outcome, not := range map[string]string{"200": red, "200 stored": red, "200 rendered slow": red, "304": red, "404": green, "429 per-ip": green, "error: timeout": green} {
		if Colour(outcome) == not {
			t.Errorf("%s is %s", outcome, not)
		}
	}
}
