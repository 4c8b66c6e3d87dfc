package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Prometheus is where a cluster's metrics are.
type Prometheus struct {
	URL    string
	Window time.Duration // over which the means are
	// Expensive are the types of originals whose renders go to the expensive lane.
	Expensive []string
	Client    *http.Client
}

type sample struct {
	labels map[string]string
	value  float64
}

// Profile reads the profile of the window before now.
func (p Prometheus) Profile(ctx context.Context) (profile Profile, err error) {
	window := fmt.Sprintf("%ds", int(p.Window.Seconds()))
	// Requests that were refused for want of renderers would have come to the same renders.
	offered, err := p.number(ctx, `sum(rate(thumbmill_pool_wait_seconds_count{class="lane"}[`+window+`])) + sum(rate(thumbmill_pool_refusals_total{class="lane"}[`+window+`]))`)
	if err != nil {
		return profile, err
	}
	if profile.Classes, err = p.classes(ctx, window, offered); err != nil {
		return profile, err
	}
	for query, into := range map[string]*float64{
		`sum(rate(thumbmill_step_seconds_sum{step="fetch"}[W])) / sum(rate(thumbmill_step_seconds_count{step="fetch"}[W]))`: &profile.Fetch,
		`sum(rate(thumbmill_step_seconds_sum{step="store"}[W])) / sum(rate(thumbmill_step_seconds_count{step="store"}[W]))`: &profile.Store,
		`sum(rate(thumbmill_render_cpu_seconds_total[W])) / sum(rate(thumbmill_render_seconds_count[W]))`:                   &profile.CPU,
		`sum(rate(thumbmill_fetch_bytes_total[W])) / sum(rate(thumbmill_render_seconds_count[W]))`:                          &profile.Bytes,
	} {
		if *into, err = p.number(ctx, strings.ReplaceAll(query, "[W]", "["+window+"]")); err != nil {
			return profile, err
		}
	}
	slots, err := p.number(ctx, "avg(thumbmill_renderer_slots)")
	profile.Slots = int(math.Round(slots))
	return profile, errors.Join(err, profile.Validate())
}

// classes are the renders by type, scaled to all that was offered.
func (p Prometheus) classes(ctx context.Context, window string, offered float64) (classes []Class, err error) {
	buckets, err := p.query(ctx, "sum by (type, le) (increase(thumbmill_render_seconds_bucket["+window+"]))")
	if err != nil {
		return nil, err
	}
	byType := map[string][]Bucket{}
	for _, s := range buckets {
		le, err := strconv.ParseFloat(s.labels["le"], 64)
		if err == nil && !math.IsInf(le, 1) { // no render takes longer than the last bucket: their limits are below it
			byType[s.labels["type"]] = append(byType[s.labels["type"]], Bucket{le, s.value})
		}
	}
	total := 0.0
	for name, all := range byType {
		slices.SortFunc(all, func(a, b Bucket) int { return int(math.Copysign(1, a.Seconds-b.Seconds)) })
		count := all[len(all)-1].Count
		if count <= 0 {
			continue
		}
		lane := renderjob.LaneStandard
		if slices.Contains(p.Expensive, name) || thumbnail.Type(name).Unforeseeable() {
			lane = renderjob.LaneExpensive
		}
		total += count
		classes = append(classes, Class{lane, name, count, all})
	}
	for i := range classes {
		classes[i].Rate *= offered / total
	}
	slices.SortFunc(classes, func(a, b Class) int { return strings.Compare(a.Type, b.Type) })
	if len(classes) == 0 {
		return nil, fmt.Errorf("%s knows no render of the last %s: is it the right one, and does it scrape the renderers?", p.URL, window)
	}
	return classes, nil
}

// number is the value of a query that has one; 0 where there is none.
func (p Prometheus) number(ctx context.Context, query string) (float64, error) {
	all, err := p.query(ctx, query)
	if err != nil || len(all) == 0 || math.IsNaN(all[0].value) {
		return 0, err
	}
	return all[0].value, nil
}

func (p Prometheus) query(ctx context.Context, query string) (samples []sample, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.URL, "/")+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return nil, fmt.Errorf("--prometheus: %w", err)
	}
	response, err := p.Client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("--prometheus: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Error string
		Data  struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("%s is no Prometheus: %w", p.URL, err)
	}
	if answer.Error != "" {
		return nil, fmt.Errorf("%s: %s", p.URL, answer.Error)
	}
	for _, r := range answer.Data.Result {
		value, err := strconv.ParseFloat(fmt.Sprint(r.Value[1]), 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.URL, err)
		}
		samples = append(samples, sample{r.Metric, value})
	}
	return samples, nil
}
