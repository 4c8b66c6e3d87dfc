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
	Asked  map[string]string `json:"asked"` // the flags
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

// Text writes the report as tables.
func (r Report) Text(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "%s: %.1f s, %.1f MB\n\noutcome\trequests\tper second\t%s ms\n", r.Title, r.length(), float64(r.Record.Bytes)/1e6, strings.Join(drive.Quantiles(), " ms\t"))
	row := func(name string, n int) {
		_, _ = fmt.Fprintf(w, "%s\t%d\t%.1f", name, n, float64(n)/r.length())
		for _, q := range drive.Quantiles() {
			_, _ = fmt.Fprintf(w, "\t%.1f", r.Record.Latency[name][q])
		}
		_, _ = fmt.Fprintln(w)
	}
	total := 0
	for _, name := range outcomes(r.Record) {
		row(name, r.Record.Outcomes[name])
		if name != drive.NotSent {
			total += r.Record.Outcomes[name]
		}
	}
	row("all", total)
	return w.Flush()
}

// Compare writes two runs side by side.
func Compare(out io.Writer, a, b Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintf(w, "\t%s\t%s\tratio\n", a.Title, b.Title)
	row := func(name string, x, y float64) {
		ratio := "-"
		if x > 0 {
			ratio = fmt.Sprintf("%.2f", y/x)
		}
		_, _ = fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%s\n", name, x, y, ratio)
	}
	names := outcomes(a.Record)
	for _, name := range outcomes(b.Record) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		row(name+" per second", float64(a.Record.Outcomes[name])/a.length(), float64(b.Record.Outcomes[name])/b.length())
	}
	for _, name := range append(names, "all") {
		for _, q := range []string{"p50", "p95", "p99"} {
			if name != drive.NotSent {
				row(name+" "+q+" ms", a.Record.Latency[name][q], b.Record.Latency[name][q])
			}
		}
	}
	return w.Flush()
}

//go:embed report.html
var page string

// HTML writes the report as a page without external files.
func (r Report) HTML(out io.Writer) error {
	t, err := template.New("report").Parse(page)
	if err != nil {
		return err
	}
	var table strings.Builder
	if err := r.Text(&table); err != nil {
		return err
	}
	return t.Execute(out, map[string]any{"Title": r.Title, "Asked": r.Asked, "Began": r.Record.Began.Format(time.RFC1123), "Table": table.String(), "Plots": r.plots()})
}

func (r Report) plots() []template.HTML {
	seconds := r.Record.Seconds
	over := func(name string, value func(drive.Second) float64) plot.Line {
		l := plot.Line{Name: name}
		for _, s := range seconds {
			l.Points = append(l.Points, plot.Point{X: s.At, Y: value(s)})
		}
		return l
	}
	rates := []plot.Line{over("sent", func(s drive.Second) float64 { return float64(s.Sent) })}
	for _, name := range outcomes(r.Record) {
		rates = append(rates, over(name, func(s drive.Second) float64 { return float64(s.Outcomes[name]) }))
	}
	latency := []plot.Line{over("p50", func(s drive.Second) float64 { return s.P50 }), over("p99", func(s drive.Second) float64 { return s.P99 })}
	return []template.HTML{
		plot.Plot{Title: "Sent, and answered by outcome", X: "seconds", Y: "a second", Lines: rates}.SVG(),
		plot.Plot{Title: "Latency since each request was due", X: "seconds", Y: "ms", Lines: latency}.SVG(),
		plot.Plot{Title: "In progress", X: "seconds", Y: "requests", Lines: []plot.Line{over("in progress", func(s drive.Second) float64 { return float64(s.UnderWay) })}}.SVG(),
	}
}
