package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/prometheus"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Prometheus is the source of a cluster's metrics.
type Prometheus struct {
	server *prometheus.Server
	window time.Duration
}

// FromPrometheus makes a source of a server's URL. Rates are means over a window.
func FromPrometheus(url string, window time.Duration) Prometheus {
	return Prometheus{prometheus.New(url, "--prometheus", time.Minute), window}
}

// mostBeyond leaves some requests, if extrapolated rates say that one client asked for everything.
const mostBeyond = .99

// Profile reads the profile of the last window.
func (p Prometheus) Profile(ctx context.Context) (profile Profile, err error) {
	window := fmt.Sprintf("%ds", int(p.window.Seconds()))
	if profile.Classes, err = p.classes(ctx, window); err != nil {
		return profile, err
	}
	for query, into := range map[string]*float64{
		`sum(rate(thumbmill_step_seconds_sum{step="fetch"}[W])) / sum(rate(thumbmill_step_seconds_count{step="fetch"}[W]))`:             &profile.Fetch,
		`sum(rate(thumbmill_step_seconds_sum{step="store"}[W])) / sum(rate(thumbmill_step_seconds_count{step="store"}[W]))`:             &profile.Store,
		`sum(rate(thumbmill_render_cpu_seconds_total{outcome="ok"}[W])) / sum(rate(thumbmill_render_seconds_count{engine!="none"}[W]))`: &profile.CPU,
		`sum(rate(thumbmill_demand_beyond_seconds_total[W])) / sum(rate(thumbmill_demand_seconds_total[W]))`:                            &profile.Beyond,
		`sum(rate(thumbmill_fetch_bytes_total[W])) / sum(rate(thumbmill_render_seconds_count[W]))`:                                      &profile.Bytes,
	} {
		if *into, err = p.number(ctx, strings.ReplaceAll(query, "[W]", "["+window+"]")); err != nil {
			return profile, err
		}
	}
	profile.Beyond = min(profile.Beyond, mostBeyond)
	slots, err := p.number(ctx, "avg(thumbmill_renderer_slots)")
	profile.Slots = int(math.Round(slots))
	return profile, errors.Join(err, profile.Validate())
}

// classes returns the renders by lane and type, with the rates at which they were offered: requests
// that were refused because renderers were missing would have needed the same renders.
func (p Prometheus) classes(ctx context.Context, window string) (classes []Class, err error) {
	counts, err := p.server.Now(ctx, "sum by (type) (rate(thumbmill_renders_offered_total["+window+"]))")
	if err != nil {
		return nil, err
	}
	offered := map[string]float64{}
	for _, s := range counts {
		offered[s.Labels["type"]] = s.Value
	}
	bins, err := p.server.Now(ctx, "sum by (lane, type, le) (rate(thumbmill_render_seconds_bucket["+window+"]))")
	if err != nil {
		return nil, err
	}
	if classes = histograms(bins); len(classes) == 0 {
		return nil, fmt.Errorf("Prometheus has no render of the last %s: check --prometheus, and that this Prometheus scrapes the renderers", window)
	}
	offer(classes, offered)
	return classes, nil
}

// histograms makes classes from bins, with the rates at which renders ended.
func histograms(bins []prometheus.Sample) (classes []Class) {
	type name struct{ lane, original string }
	all := map[name][]Bin{}
	for _, s := range bins {
		le, err := strconv.ParseFloat(s.Labels["le"], 64)
		if err == nil && !math.IsInf(le, 1) { // skip the last bin: limits of renders are below it
			n := name{s.Labels["lane"], s.Labels["type"]}
			all[n] = append(all[n], Bin{le, s.Value})
		}
	}
	for n, times := range all {
		slices.SortFunc(times, func(a, b Bin) int { return cmp.Compare(a.Seconds, b.Seconds) })
		rise(times)
		if rate := times[len(times)-1].Count; rate > 0 {
			classes = append(classes, Class{renderjob.Lane(n.lane), n.original, rate, times})
		}
	}
	slices.SortFunc(classes, func(a, b Class) int {
		return cmp.Or(cmp.Compare(a.Lane, b.Lane), strings.Compare(a.Type, b.Type))
	})
	return classes
}

// rise corrects counts that fall. Prometheus extrapolates a rate for each bin and renderer, and
// rounding depends on the order of a sum. A bin can therefore have slightly less than an earlier
// bin that it includes. Prometheus corrects the same for its own quantiles.
func rise(times []Bin) {
	for i := 1; i < len(times); i++ {
		times[i].Count = max(times[i].Count, times[i-1].Count)
	}
}

// offer sets the rates of classes to the rates at which their types were offered. The metric of
// offers has the type by name, the metric of renders has it by content. Types that only one of them
// knows are shared among all.
func offer(classes []Class, offered map[string]float64) {
	rendered := map[string]float64{}
	for _, c := range classes {
		rendered[c.Type] += c.Rate
	}
	var total, ended float64
	for _, rate := range offered {
		total += rate
	}
	for i, c := range classes {
		if rate := offered[c.Type]; rate > 0 {
			classes[i].Rate *= rate / rendered[c.Type]
		}
		ended += classes[i].Rate
	}
	for i := range classes {
		if total > 0 {
			classes[i].Rate *= total / ended
		}
	}
}

// number returns the value of a query, or 0 without a value.
func (p Prometheus) number(ctx context.Context, query string) (float64, error) {
	all, err := p.server.Now(ctx, query)
	if err != nil || len(all) == 0 || math.IsNaN(all[0].Value) {
		return 0, err
	}
	return all[0].Value, nil
}
