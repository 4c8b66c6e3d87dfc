package workload

import (
	"math"
	"testing"
	"time"
)

func example() Workload {
	return Workload{
		Phases:    []Phase{{10 * time.Second, 100, 100}, {10 * time.Second, 100, 500}, {5 * time.Second, 0, 0.0001}, {2 * time.Second, 1000, 1000}},
		Originals: 1000, Zipf: 1, Types: []Weighted[string]{{"jpg", 9}, {"png", 1}}, Widths: WikimediaWidths(), Clients: 50,
		Absent: .1, Hammer: .05, Neighbours: .05, Slow: .02, Seed: 7,
	}
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if math.Abs(got-want) > within {
		t.Errorf("%s: %v, want %v ± %v", what, got, want, within)
	}
}

// Rates, shares and popularity have the configured values, within four standard deviations.
func TestRequestsAreAsTheyAreSaidToBe(t *testing.T) {
	w := example()
	var all []Request
	phases := [4]float64{}
	for r := range w.Requests() {
		all = append(all, r)
		at := r.At.Seconds()
		switch {
		case at < 10:
			phases[0]++
		case at < 20:
			phases[1]++
		case at < 25:
			phases[2]++
		default:
			phases[3]++
		}
	}
	for i, want := range []float64{1000, 3000, 0, 2000} {
		near(t, "requests of a phase", phases[i], want, 4*math.Sqrt(want)+1)
	}
	ordered(t, all)
	n := float64(len(all))
	var absent, hammer, neighbours, slow, first, narrow, second float64
	for _, r := range all {
		if r.At >= 10*time.Second && r.At < 15*time.Second {
			second++
		}
		switch {
		case r.Original < 0:
			absent++
		case r.Client == greedy():
			hammer++
		case r.Client.Is6():
			neighbours++
		case r.Slow:
			slow++
		}
		if r.Original == 0 {
			first++
		}
		if r.Width == 220 {
			narrow++
		}
	}
	near(t, "the first half of the ramp", second, 1000, 4*math.Sqrt(1000))
	share := func(what string, got, want float64) { near(t, what, got, want*n, 4*math.Sqrt(want*n)) }
	share("absent", absent, .1)
	share("hammer", hammer, .05)
	share("neighbours", neighbours, .05)
	share("slow", slow, .02)
	harmonic := 0.0
	for i := range 1000 {
		harmonic += 1 / float64(i+1)
	}
	share("the most popular one", first, .9/harmonic)
	total := 0.0
	for _, x := range WikimediaWidths() {
		total += x.Share
	}
	share("width 220", narrow, 155.6/total)
}

// ordered checks that requests are in the order of their times, and that an original has one type.
func ordered(t *testing.T, all []Request) {
	t.Helper()
	types := map[int]string{}
	for i, r := range all {
		if i > 0 && r.At < all[i-1].At {
			t.Fatal("out of order")
		}
		if known, ok := types[r.Original]; ok && r.Original >= 0 && known != r.Type {
			t.Errorf("original %d is a %s and a %s", r.Original, known, r.Type)
		}
		types[r.Original] = r.Type
	}
}

func TestTheSameSeedIsTheSameLoad(t *testing.T) {
	collect := func(seed uint64) (all []Request) {
		w := example()
		w.Seed = seed
		for r := range w.Requests() {
			all = append(all, r)
		}
		return all
	}
	a, b, other := collect(1), collect(1), collect(2)
	if len(a) != len(b) || a[100] != b[100] || a[100] == other[100] {
		t.Error("equal seeds give different loads, or different seeds give equal ones")
	}
}

func TestParsePhases(t *testing.T) {
	got, err := ParsePhases("60s@100, 30s@100-400,1m@0-10")
	if err != nil || len(got) != 3 || got[1] != (Phase{30 * time.Second, 100, 400}) {
		t.Errorf("%+v %v", got, err)
	}
	for _, bad := range []string{"", "60s", "60@100", "60s@-1", "60s@0", "-5s@10", "60s@x", "60s@NaN", "1s@1e9"} {
		if p, err := ParsePhases(bad); err == nil {
			t.Errorf("%q is %+v", bad, p)
		}
	}
}

func TestStepsTakeAll(t *testing.T) {
	before, after := 0.0, 0.0
	for _, w := range WikimediaWidths() {
		before += w.Share
	}
	for _, w := range ToSteps(WikimediaWidths()) {
		after += w.Share
		if w.Value == 250 { // 160, 200, 188, 220, 150
			near(t, "step 250", w.Share, 97.2+41.1+39.8+155.6+26.6, .01)
		}
	}
	near(t, "all", after, before, .01)
}
