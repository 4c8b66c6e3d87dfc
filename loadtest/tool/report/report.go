// Package report writes the record of a load test as text and as a page with plots, and compares
// two runs.
package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/tool/drive"
	"github.com/thumbmill/thumbmill/loadtest/tool/plot"
)

// Report is a run with its settings.
type Report struct {
	Title  string            `json:"title"`
	Asked  map[string]string `json:"asked"` // the flags that were set
	Record *drive.Record     `json:"record"`
}

// outcomes returns the outcomes of a record, the most frequent first.
func outcomes(r *drive.Record) []string {
	return slices.SortedFunc(maps.Keys(r.Outcomes), func(a, b string) int {
		return cmp.Or(cmp.Compare(r.Outcomes[b], r.Outcomes[a]), cmp.Compare(a, b))
	})
}

// length returns the time in seconds in which requests were sent.
func (r Report) length() float64 { return max(r.Record.Sending, 1e-9) }

// line is a row of the table of outcomes.
type line struct {
	Name    string
	Number  int
	Rate    float64
	Latency []float64 // at drive.Quantiles, in milliseconds
}

func (r Report) lines() (all []line) {
	row := func(name string, n int) {
		l := line{Name: name, Number: n, Rate: float64(n) / r.length()}
		for _, q := range drive.Quantiles() {
			l.Latency = append(l.Latency, r.Record.Latency[name][q])
		}
		all = append(all, l)
	}
	total := 0
	for _, name := range outcomes(r.Record) {
		row(name, r.Record.Outcomes[name])
		if name != drive.NotSent {
			total += r.Record.Outcomes[name]
		}
	}
	row("all", total)
	return all
}

// Text writes the report as a table.
func (r Report) Text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%s: %s\n\noutcome\trequests\tper second\t%s ms\n", r.Title, r.summary(), strings.Join(drive.Quantiles(), " ms\t"))
	for _, l := range r.lines() {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%.1f", l.Name, l.Number, l.Rate)
		for _, ms := range l.Latency {
			_, _ = fmt.Fprintf(w, "\t%.1f", ms)
		}
		_, _ = fmt.Fprintln(w)
	}
	return w.Flush()
}

func (r Report) summary() string {
	return fmt.Sprintf("%.1f s, %.1f MB", r.length(), float64(r.Record.Bytes)/1e6)
}

//go:embed report.html
var page string

// HTML writes the report as a page without external files.
func (r Report) HTML(out io.Writer) error {
	t, err := template.New("report").Funcs(template.FuncMap{
		"ms": func(v float64) string { return fmt.Sprintf("%.1f", v) }, "colour": func(name string) template.CSS { return template.CSS(Colour(name)) }, //nolint:gosec // a constant
	}).Parse(page)
	if err != nil {
		return err
	}
	return t.Execute(out, map[string]any{
		"Title": r.Title, "Asked": r.Asked, "Began": r.Record.Began.Format(time.RFC1123), "Summary": r.summary(),
		"Quantiles": drive.Quantiles(), "Lines": r.lines(), "CSS": template.CSS(plot.CSS), "Plots": r.plots(),
	})
}

// Colour returns the colour of an outcome: the same in each report.
func Colour(outcome string) string {
	for _, of := range []struct{ start, colour string }{
		{"sent", "hsl(0 0% 50%)"}, {"all", "hsl(0 0% 50%)"}, {drive.NotSent, "hsl(300 60% 45%)"},
		{"200 stored", "hsl(212 75% 50%)"}, {drive.Stored, "hsl(212 75% 50%)"},
		{"2", "hsl(140 60% 38%)"}, {drive.Rendered, "hsl(140 60% 38%)"}, {drive.Picture, "hsl(140 60% 38%)"},
		{"3", "hsl(180 60% 38%)"}, {"404", "hsl(30 20% 55%)"},
		{"429 per-ip", "hsl(32 95% 45%)"}, {"429 per-original", "hsl(270 60% 60%)"}, {"429 expensive", "hsl(50 90% 40%)"}, {"429", "hsl(20 60% 55%)"},
		{"4", "hsl(245 30% 55%)"}, {"503", "hsl(335 75% 50%)"}, {"5", "hsl(0 75% 45%)"}, {"error", "hsl(0 75% 45%)"},
	} {
		if strings.HasPrefix(outcome, of.start) {
			return of.colour
		}
	}
	return "hsl(0 0% 40%)"
}

// whole returns the seconds in which requests were sent throughout: the last seconds, in which answers
// trickle in, and a second that was cut off, say nothing about rates.
func (r Report) whole() (all []drive.Second) {
	before := 0.0
	for _, s := range r.Record.Seconds {
		if s.At-before > .5 && s.At < r.Record.Sending+.5 {
			all = append(all, s)
		}
		before = s.At
	}
	return all
}

func (r Report) plots() []template.HTML {
	seconds := r.whole()
	over := func(name string, value func(drive.Second) float64) plot.Line {
		l := plot.Line{Name: name, Colour: Colour(name)}
		for _, s := range seconds {
			l.Points = append(l.Points, plot.Point{X: math.Round(s.At), Y: value(s)})
		}
		return l
	}
	rates := []plot.Line{over("sent", func(s drive.Second) float64 { return float64(s.Sent) })}
	for _, name := range outcomes(r.Record) {
		rates = append(rates, over(name, func(s drive.Second) float64 { return float64(s.Outcomes[name]) }))
	}
	all := []template.HTML{plot.Plot{Title: "Requests that were sent, and answers by outcome", X: "seconds", Y: "per second", Lines: rates}.HTML()}
	var latency []plot.Line
	for _, kind := range []string{drive.Stored, drive.Rendered, drive.Picture} {
		for i, q := range []string{"p50", "p95"} {
			l := over(kind, func(s drive.Second) float64 {
				if of, ok := s.Kinds[kind]; ok {
					return of[i]
				}
				return math.NaN()
			})
			l.Name += " " + q
			if i == 0 {
				l.Colour = lighter(l.Colour)
			}
			if slices.ContainsFunc(l.Points, func(p plot.Point) bool { return !math.IsNaN(p.Y) }) {
				latency = append(latency, l)
			}
		}
	}
	if len(latency) > 0 {
		all = append(all, plot.Plot{Title: "Latency of pictures, since each request was due", X: "seconds", Y: "ms", Log: true, Lines: latency}.HTML())
	}
	if curves := r.curves(); len(curves) > 0 {
		all = append(all, plot.Plot{Title: "Latency by percentile", X: "percentile", Y: "ms", Log: true, Lines: curves, XTicks: percentiles()}.HTML())
	}
	return append(all, plot.Plot{Title: "Requests in progress", X: "seconds", Y: "requests", Lines: []plot.Line{over("in progress", func(s drive.Second) float64 { return float64(s.UnderWay) })}}.HTML())
}

// lighter returns a lighter shade of a colour, as another line of the same outcome.
func lighter(colour string) string { return strings.TrimSuffix(colour, ")") + " / .5)" }

// curves returns the latency of each outcome at each percentile. The axis is logarithmic towards 100 %, so
// that the slowest requests have as much room as the others.
func (r Report) curves() (all []plot.Line) {
	for _, name := range outcomes(r.Record) {
		values := r.Record.Curve[name]
		if len(values) != len(drive.CurvePercents()) {
			continue
		}
		l := plot.Line{Name: name, Colour: Colour(name)}
		for i, percent := range drive.CurvePercents() {
			// A percentile beyond the slowest request is no measurement.
			if rest := float64(r.Record.Outcomes[name]) * (1 - percent/100); rest >= 1 {
				l.Points = append(l.Points, plot.Point{X: nines(percent), Y: max(values[i], .01)})
			}
		}
		if len(l.Points) > 1 {
			all = append(all, l)
		}
	}
	return all
}

func nines(percent float64) float64 { return -math.Log10(1 - percent/100) }

func percentiles() (ticks []plot.Tick) {
	for _, percent := range []float64{1, 50, 90, 99, 99.9, 99.99} {
		ticks = append(ticks, plot.Tick{At: nines(percent), Text: fmt.Sprint(percent)})
	}
	return ticks
}
