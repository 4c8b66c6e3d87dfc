package plan

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/tool/queueing"
	"github.com/thumbmill/thumbmill/shared/prometheus"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// exponential returns a profile of one class with nearly exponential times.
func exponential(rate, mean float64, slots int) Profile {
	c := Class{Lane: renderjob.LaneStandard, Type: "jpeg", Rate: rate}
	for i := 1; i <= 200; i++ {
		x := float64(i) * .05 * mean
		c.Render = append(c.Render, Bin{x, 1e6 * (1 - math.Exp(-x/mean))})
	}
	return Profile{Classes: []Class{c}, Slots: slots}
}

func TestMoments(t *testing.T) {
	mean, variation := exponential(10, .2, 4).Moments()
	if math.Abs(mean-.2) > .002 || math.Abs(variation-1) > .03 {
		t.Errorf("mean %v, variation %v", mean, variation)
	}
	n, sum, last := 0, 0.0, 0.0
	for r := range exponential(10, .2, 4).Requests(100_000, 3) {
		n++
		sum += r.Render
		last = r.At
	}
	if math.Abs(sum/float64(n)-.2) > .004 || math.Abs(last-1e4) > 150 {
		t.Errorf("%d requests take %v s, the last at %v", n, sum/float64(n), last)
	}
}

var usual = Target{Wait: .5, Share: .95, Refused: .001}

// The plan for exponential times is near the closed form's, and one renderer fewer misses the
// target.
func TestTheLeastNumberIsFound(t *testing.T) {
	p := exponential(100, .2, 4)
	c := Cluster{Ahead: 1, QueueWait: 5}
	steps := 0
	r, err := Renderers(p, c, Scenario{}, usual, func(Result) { steps++ })
	if err != nil {
		t.Fatal(err)
	}
	least := (queueing.SlotsFor(100, .2, 1, .5, .95) + 3) / 4
	if r.Renderers < least-1 || r.Renderers > least+2 || !r.Meets(usual) || steps > 8 {
		t.Errorf("%+v after %d steps, the closed form says %d", r, steps, least)
	}
	fewer, err := Simulate(p, c, Scenario{}, r.Renderers-1, usual)
	if err != nil || fewer.Meets(usual) {
		t.Errorf("one renderer fewer meets the target too: %+v %v", fewer, err)
	}
}

// A lost site and rolling restarts need more renderers; a target out of reach is an error.
func TestScenarios(t *testing.T) {
	p := exponential(100, .2, 4)
	c := Cluster{Ahead: 1, QueueWait: 5}
	number := func(s Scenario) int {
		r, err := Renderers(p, c, s, usual, func(Result) {})
		if err != nil {
			t.Fatal(err)
		}
		return r.Renderers
	}
	plain, lost, restart := number(Scenario{}), number(Scenario{Sites: 2}), number(Scenario{Restart: 30})
	if lost < 2*plain-2 || lost > 2*plain+2 || restart < plain || restart > plain+2 {
		t.Errorf("%d; %d with one of two sites lost; %d during restarts", plain, lost, restart)
	}
	c.Limits = map[renderjob.Lane]float64{renderjob.LaneStandard: .1}
	if _, err := Renderers(p, c, Scenario{}, usual, func(Result) {}); err == nil {
		t.Error("most renders exceed their limit, but there is no error")
	}
}

func TestWhatBindsFirst(t *testing.T) {
	p := exponential(100, .2, 4)
	p.CPU, p.Bytes = .19, 4e6
	all := Binds(p, Machine{Cores: 4, Memory: 16e9, Slot: 1e9, Download: 125e6, Writes: 1000}, 10)
	if len(all) != 5 || all[0].Name != "slots" || math.Abs(all[0].Use-.5) > .01 || all[1].Name != "processor" {
		t.Errorf("%+v", all)
	}
	if all := Binds(p, Machine{Download: 10e6}, 10); all[0].Name != "download" || len(all) != 2 {
		t.Errorf("%+v", all)
	}
	if share := StandardSizes(200_000, 20_000); share < .3 || share > .8 {
		t.Errorf("%v of the renders are left with standard sizes", share)
	}
	if got := PerRenderer(p, 10).Rate(); math.Abs(got-10) > 1e-9 {
		t.Error(got)
	}
}

func TestProfilesThatAreNone(t *testing.T) {
	for want, text := range map[string]string{
		"has classes":       `{"slots": 4}`,
		"is not a lane":     `{"slots": 4, "classes": [{"lane": "fast", "per_second": 1, "render": [{"seconds": 1, "count": 1}]}]}`,
		"must rise":         `{"slots": 4, "classes": [{"lane": "bulk", "per_second": 1, "render": [{"seconds": 1, "count": 2}, {"seconds": 2, "count": 1}]}]}`,
		"no render":         `{"slots": 4, "classes": [{"lane": "bulk", "per_second": 1, "render": [{"seconds": 1, "count": 0}]}]}`,
		"no requests":       `{"slots": 4, "classes": [{"lane": "bulk", "per_second": 0, "render": [{"seconds": 1, "count": 1}]}]}`,
		"invalid character": `no JSON`,
	} {
		file := filepath.Join(t.TempDir(), "profile.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Types have the rates at which they were offered, lanes have the shares that were rendered. A type
// with a name known on only one side is shared among all.
func TestRefusedRendersAreOffered(t *testing.T) {
	classes := []Class{
		{Lane: renderjob.LaneStandard, Type: "jpeg", Rate: 6}, {Lane: renderjob.LaneExpensive, Type: "jpeg", Rate: 2},
		{Lane: renderjob.LaneExpensive, Type: "tiff", Rate: 1}, {Lane: renderjob.LaneStandard, Type: "xcf", Rate: 1},
	}
	offer(classes, map[string]float64{"jpeg": 16, "tiff": 3, "": 2})
	var rates []float64
	for _, c := range classes {
		rates = append(rates, c.Rate)
	}
	for i, want := range []float64{12, 4, 3, 1} {
		if want *= 21. / 20; math.Abs(rates[i]-want) > 1e-9 {
			t.Errorf("%s %s: %v, want %v", classes[i].Lane, classes[i].Type, rates[i], want)
		}
	}
}

// A measured render ended at its limit at the latest, so the limit cuts the bin.
func TestLimitsCutBuckets(t *testing.T) {
	p := Profile{Slots: 1, Classes: []Class{{Lane: renderjob.LaneStandard, Rate: 1, Render: []Bin{{10, 1}, {30, 2}, {60, 3}}}}}
	cut := p.cut(map[renderjob.Lane]float64{renderjob.LaneStandard: 20}).Classes[0].Render
	if cut[0].Seconds != 10 || cut[1].Seconds != 20 || cut[2].Seconds != 60 {
		t.Error(cut)
	}
	if p.Classes[0].Render[1].Seconds != 30 {
		t.Error("cut changed its receiver")
	}
}

// Each sum of rates has its own rounding error.
func TestBucketsThatFallByATrifleAreMended(t *testing.T) {
	var bins []prometheus.Sample
	for le, rate := range map[string]float64{"0.1": .3, "0.5": math.Nextafter(.3, 0), "1": .4, "+Inf": .4} {
		bins = append(bins, prometheus.Sample{Labels: map[string]string{"lane": "standard", "type": "png", "le": le}, Value: rate})
	}
	p := Profile{Classes: histograms(bins), Slots: 1}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
	if times := p.Classes[0].Render; len(times) != 3 || times[1] != (Bin{.5, .3}) {
		t.Errorf("%v", times)
	}
}

// A plan that takes more of a resource than there is cannot work, and says what would.
func TestAnOverloadedPlanIsRefused(t *testing.T) {
	p := Profile{Classes: []Class{{Lane: renderjob.LaneStandard, Type: "jpeg", Rate: 171, Render: []Bin{{Seconds: .1, Count: 1}}}}, Slots: 4, Bytes: 1e6}
	if err := Check(Binds(p, Machine{Writes: 200}, 10)); err != nil {
		t.Error(err)
	}
	err := Check(Binds(p, Machine{Writes: 100, Download: 10e6}, 10))
	if !errors.Is(err, ErrOverloaded) {
		t.Fatal(err)
	}
	for _, want := range []string{"171 % of store: take a store of 171 thumbnails a second, or 2 such stores", "171 % of download: take 18 renderers"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}
