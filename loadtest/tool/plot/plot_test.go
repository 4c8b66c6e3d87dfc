package plot

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestTicksAreRound(t *testing.T) {
	for want, of := range map[string][3]float64{
		"[0 5 10]": {0, 10.3, 4}, "[20 40 60 80]": {13, 99, 6}, "[0 0.02 0.04]": {0, .05, 3}, "[1000]": {700, 1200, 1},
	} {
		if got := fmt.Sprint(round(of[0], of[1], int(of[2]))); got != want {
			t.Errorf("%v: %s, want %s", of, got, want)
		}
	}
}

// A plot has each line with its name and colour, gaps where nothing was measured, and decades on a
// logarithmic axis.
func TestAPlot(t *testing.T) {
	p := Plot{Title: "<Waits>", Log: true, Lines: []Line{
		{Name: "a & b", Colour: "green", Points: []Point{{0, 3}, {1, math.NaN()}, {2, 0}, {3, 200}}}, {Name: "c"},
	}}
	page := string(p.HTML())
	for _, want := range []string{"&lt;Waits&gt;", "a &amp; b", `stroke="green"`, ">1<", ">10<", ">100<", ">1000<", `class="narrow"`} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in %s", want, page)
		}
	}
	if n := strings.Count(page, "<polyline"); n != 4 { // two stretches of the line, twice
		t.Errorf("%d stretches", n)
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
		t.Error(page)
	}
	if empty := string(Plot{}.HTML()); strings.Contains(empty, "NaN") || strings.Contains(empty, "Inf") {
		t.Error(empty)
	}
}
