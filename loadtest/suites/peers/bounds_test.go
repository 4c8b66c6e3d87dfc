package peers

import (
	"fmt"
	"strings"
	"testing"
)

// bound is a bound on the project's results.
type bound struct {
	of   string
	got  func(ours, reference measures, peers []measures) float64
	most bool // else least
	is   float64
}

// limit says what a result must be.
func (v bound) limit() string {
	word := "at least"
	if v.most {
		word = "at most"
	}
	return fmt.Sprintf("%s %.3g", word, v.is)
}

func (v bound) met(got float64) bool { return got == v.is || (got < v.is) == v.most }

// verdict is a bound of a scenario with the result.
type verdict struct {
	scenario string
	bound    bound
	got      float64
	measured bool
}

func (v verdict) word() string {
	switch {
	case !v.measured:
		return "not measured"
	case v.bound.met(v.got):
		return "met"
	}
	return "NOT met"
}

// verdicts returns the bounds of a scenario, not measured yet.
func (s scenario) verdicts() (all []verdict) {
	for _, v := range append(s.bounds, likeThePeer()) {
		all = append(all, verdict{scenario: s.name, bound: v})
	}
	return all
}

// fill sets the results of a scenario. The first result is thumbmill's.
func fill(all []verdict, got []measures) {
	for i, v := range all {
		all[i].got, all[i].measured = v.bound.got(got[0], first(got), got[1:]), true
	}
}

// sheet prints all bounds of a run, and how many are met.
func sheet(all []verdict) string {
	var out strings.Builder
	words := map[string]int{}
	fmt.Fprintln(&out, "\n| scenario | result | bound | is | |\n|---|---|---|---|---|")
	for _, v := range all {
		is := ""
		if v.measured {
			is = fmt.Sprintf("%.3g", v.got)
		}
		fmt.Fprintf(&out, "| %s | %s | %s | %s | %s |\n", v.scenario, v.bound.of, v.bound.limit(), is, v.word())
		words[v.word()]++
	}
	fmt.Fprintf(&out, "bounds: %d met, %d not met, %d not measured\n", words["met"], words["NOT met"], words["not measured"])
	return out.String()
}

func processorTime(most float64) bound {
	return bound{"processor time, to the first peer's", func(ours, reference measures, _ []measures) float64 {
		return ratio(ours.cpu, reference.cpu)
	}, true, most}
}

func thumbnailsPerSecond(least float64) bound {
	return bound{"thumbnails a second, to the first peer's", func(ours, reference measures, _ []measures) float64 {
		return ratio(ours.rate, reference.rate)
	}, false, least}
}

func memoryAtMost(most float64) bound {
	return bound{"memory, to the first peer's", func(ours, reference measures, _ []measures) float64 {
		return ratio(ours.memory, reference.memory)
	}, true, most}
}

func ofTheFastest(least float64) bound {
	return bound{"thumbnails a second, to the fastest peer's", func(ours, _ measures, peers []measures) float64 {
		return lowest(peers, func(p measures) float64 { return ratio(ours.rate, p.rate) })
	}, false, least}
}

func ofTheLeast(most float64) bound {
	return bound{"processor time, to the least of the peers'", func(ours, _ measures, peers []measures) float64 {
		return -lowest(peers, func(p measures) float64 { return -ratio(ours.cpu, p.cpu) })
	}, true, most}
}

func milliseconds(most float64) bound {
	return bound{"processor ms", func(ours, _ measures, _ []measures) float64 { return median(ours.cpu) }, true, most}
}

// likeness is the allowed difference of similarity to a peer: below the fourth digit, differences
// mean nothing.
const likeness = -0.0005

func likeThePeer() bound {
	return bound{"SSIM less the first peer's", func(ours, reference measures, _ []measures) float64 {
		return ours.similarity - reference.similarity
	}, false, likeness}
}

func lowest(peers []measures, of func(measures) float64) float64 {
	least := of(peers[0])
	for _, p := range peers[1:] {
		least = min(least, of(p))
	}
	return least
}

func TestVerdicts(t *testing.T) {
	ours := measures{cpu: []float64{10, 10, 10}, rate: []float64{90, 100, 110}, memory: []float64{100}, similarity: 0.98}
	slow := measures{cpu: []float64{20, 25, 40}, rate: []float64{50, 50, 50}, memory: []float64{200}, similarity: 0.981}
	fast := measures{cpu: []float64{8, 8, 8}, rate: []float64{80, 80, 80}, memory: []float64{150}, similarity: 0.9}
	for _, c := range []struct {
		bound bound
		want  string
	}{
		{processorTime(0.5), "at most 0.5 | 0.4 | met |"},
		{thumbnailsPerSecond(2.5), "at least 2.5 | 2 | NOT met |"},
		{memoryAtMost(0.4), "at most 0.4 | 0.5 | NOT met |"},
		{ofTheFastest(1), "at least 1 | 1.25 | met |"},
		{ofTheLeast(1.05), "at most 1.05 | 1.25 | NOT met |"},
		{milliseconds(95), "at most 95 | 10 | met |"},
		{likeThePeer(), "at least -0.0005 | -0.001 | NOT met |"},
	} {
		all := scenario{name: "s", bounds: []bound{c.bound}}.verdicts()
		fill(all, []measures{ours, slow, fast})
		if got := sheet(all[:1]); !strings.Contains(got, "| s | "+c.bound.of+" | "+c.want) {
			t.Errorf("%s\nwant %s %s", got, c.bound.of, c.want)
		}
	}
}

func TestABoundWithoutResultIsNotMet(t *testing.T) {
	all := scenario{name: "s", bounds: []bound{processorTime(0.5)}}.verdicts()
	if got := sheet(all); !strings.Contains(got, "at most 0.5 |  | not measured |") || !strings.Contains(got, "0 met, 0 not met, 2 not measured") {
		t.Error(got)
	}
}
