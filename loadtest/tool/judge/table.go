package judge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// Results has the results of a run, in any order.
type Results []Result

// Text prints a row for each kind with a column for each verdict, and the worst results below.
func (all Results) Text(out io.Writer, worst int) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprint(w, "kind\tfiles") // Flush returns the error
	for _, v := range Verdicts() {
		_, _ = fmt.Fprintf(w, "\t%s", v)
	}
	_, _ = fmt.Fprintln(w)
	for _, of := range all.rows() {
		_, _ = fmt.Fprintf(w, "%s\t%d", of.Kind, of.Files)
		for _, n := range of.Counts {
			_, _ = fmt.Fprintf(w, "\t%d", n)
		}
		_, _ = fmt.Fprintln(w)
	}
	_, _ = fmt.Fprintln(w)
	for _, r := range all.Worst(worst) {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", r.Verdict, r.Name, r.Why())
	}
	return w.Flush()
}

func (all Results) count(v Verdict) (n int) {
	for _, r := range all {
		if r.Verdict == v {
			n++
		}
	}
	return n
}

// Worst returns the most results that need a look, the worst verdict first, and within a verdict
// the largest difference first.
func (all Results) Worst(most int) Results {
	rank := func(r Result) int { return slices.Index(Verdicts(), r.Verdict) }
	wrong := slices.DeleteFunc(slices.Clone(all), func(r Result) bool {
		return rank(r) < slices.Index(Verdicts(), DrawnAlone)
	})
	slices.SortStableFunc(wrong, func(a, b Result) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(b.Difference.Score(), a.Difference.Score()), cmp.Compare(a.Name, b.Name))
	})
	return wrong[:min(most, len(wrong))]
}

// Why explains the verdict.
func (r Result) Why() string {
	if r.Said != "" {
		return r.Said
	}
	if r.Reference == "" {
		return fmt.Sprintf("status %d", r.Status)
	}
	return fmt.Sprintf("beside %s: %s", r.Reference, r.Difference)
}

// ReadResults reads the results of earlier runs, one line of JSON each, and ignores an incomplete
// last line.
func ReadResults(in io.Reader) map[string]Result {
	all := map[string]Result{}
	for d := json.NewDecoder(in); ; {
		var r Result
		if err := d.Decode(&r); err != nil {
			return all
		}
		all[r.Name] = r
	}
}
