package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/tool/drive"
)

// Compare writes two runs side by side, and says which differences are beyond noise.
//
// The noise of a value is how much it differs among the ten parts of a run. The runs of a comparison have
// the same load, so each part is compared with the same part of the other run (a paired t-test at 99 %).
func Compare(out io.Writer, before, after Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range []struct {
		name string
		of   Report
	}{{"before", before}, {"after", after}} {
		_, _ = fmt.Fprintf(w, "%s:\t%s, %s, %s\n", r.name, r.of.Title, r.of.Record.Began.Local().Format(time.DateTime), r.of.summary())
	}
	_, _ = fmt.Fprintf(w, "\n\tbefore\tafter\tafter / before\tdifference\n")
	names := outcomes(before.Record)
	for _, name := range outcomes(after.Record) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		writeRow(w, name+" per second", before, after, func(r Report) float64 { return float64(r.Record.Outcomes[name]) / r.length() },
			func(p drive.Part) (float64, bool) { return float64(p.Outcomes[name]), true })
	}
	for _, name := range append(names, "all") {
		for _, q := range []string{"p50", "p95", "p99"} {
			if before.Record.Latency[name] != nil && after.Record.Latency[name] != nil {
				writeRow(w, name+" "+q+" ms", before, after, func(r Report) float64 { return r.Record.Latency[name][q] },
					func(p drive.Part) (float64, bool) { v, ok := p.Latency[name][q]; return v, ok })
			}
		}
	}
	return w.Flush()
}

func writeRow(w io.Writer, name string, before, after Report, whole func(Report) float64, part func(drive.Part) (float64, bool)) {
	x, y := whole(before), whole(after)
	ratio := "-"
	if x > 0 {
		ratio = fmt.Sprintf("%.2f", y/x)
	}
	_, _ = fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%s\t%s\n", name, x, y, ratio, verdict(before.Record.Parts, after.Record.Parts, part))
}

// The verdicts about a difference.
const (
	beyondNoise = "beyond noise"
	withinNoise = "within noise"
	unknown     = "too few parts to tell"
)

// fewest is the least number of pairs that say something.
const fewest = 5

func verdict(before, after []drive.Part, value func(drive.Part) (float64, bool)) string {
	var differences []float64
	for i := range min(len(before), len(after)) {
		x, inBefore := value(before[i])
		y, inAfter := value(after[i])
		if inBefore && inAfter {
			differences = append(differences, y-x)
		}
	}
	n := float64(len(differences))
	if n < fewest {
		return unknown
	}
	mean, squares := 0.0, 0.0
	for _, d := range differences {
		mean += d / n
	}
	for _, d := range differences {
		squares += (d - mean) * (d - mean)
	}
	if math.Abs(mean) > student(len(differences)-1)*math.Sqrt(squares/(n-1)/n) {
		return beyondNoise
	}
	return withinNoise
}

// student returns the two-sided 99 % quantile of Student's distribution, for the degrees of freedom that
// the parts of a run give.
func student(freedom int) float64 {
	return []float64{4.604, 4.032, 3.707, 3.499, 3.355, 3.250}[min(max(freedom-fewest+1, 0), drive.Parts-fewest)]
}
