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

func (v bound) verdict(got float64) string {
	met, word := got >= v.is, "at least"
	if v.most {
		met, word = got <= v.is, "at most"
	}
	verdict := map[bool]string{true: "met", false: "NOT met"}[met]
	return fmt.Sprintf("- %s %.3g, bound %s %.3g: %s\n", v.of, got, word, v.is, verdict)
}

// verdicts compares the results of a scenario with its bounds. The first result is thumbmill's.
func (s scenario) verdicts(got []measures) string {
	var out strings.Builder
	for _, v := range append(s.bounds, likeThePeer()) {
		out.WriteString(v.verdict(v.got(got[0], first(got), got[1:])))
	}
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
		{processorTime(0.5), "0.4, bound at most 0.5: met"},
		{thumbnailsPerSecond(2.5), "2, bound at least 2.5: NOT met"},
		{memoryAtMost(0.4), "0.5, bound at most 0.4: NOT met"},
		{ofTheFastest(1), "1.25, bound at least 1: met"},
		{ofTheLeast(1.05), "1.25, bound at most 1.05: NOT met"},
		{milliseconds(95), "10, bound at most 95: met"},
		{likeThePeer(), "-0.001, bound at least -0.0005: NOT met"},
	} {
		s := scenario{bounds: []bound{c.bound}}
		if got := s.verdicts([]measures{ours, slow, fast}); !strings.Contains(got, c.bound.of+" "+c.want) {
			t.Errorf("%s\nwant %s %s", got, c.bound.of, c.want)
		}
	}
}
