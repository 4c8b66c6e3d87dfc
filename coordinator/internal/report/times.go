package report

import (
	"slices"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// None is the value of a percentile while no request comes.
const None = -1

// typicalPoints is the number of points from which their median is typical: five minutes.
const typicalPoints = 30

// addTimes adds the percentiles of the times of answers in the last ticks. The caller holds the mutex.
func (h *history) addTimes(values map[string]float64) {
	counts := map[string][]int64{} // by outcome and bin
	for _, came := range h.recent {
		for name, n := range came {
			rest, isTime := strings.CutPrefix(name, timePrefix)
			outcome, index, _ := strings.Cut(rest, " ")
			at, err := strconv.Atoi(index)
			if !isTime || err != nil || at > len(lease.TimeBounds()) {
				continue
			}
			if counts[outcome] == nil {
				counts[outcome] = make([]int64, len(lease.TimeBounds())+1)
			}
			counts[outcome][at] += n
		}
	}
	for outcome, of := range counts {
		values["p50 "+outcome] = percentile(of, 0.5)
		values["p95 "+outcome] = percentile(of, 0.95)
	}
}

// percentile estimates a percentile in milliseconds from the numbers in the bins of
// lease.TimeBounds: times spread evenly within a bin.
func percentile(counts []int64, share float64) float64 {
	var all int64
	for _, n := range counts {
		all += n
	}
	if all == 0 {
		return None
	}
	rank, low := share*float64(all), 0.0
	for i, high := range lease.TimeBounds() {
		if n := float64(counts[i]); n > 0 && rank <= n {
			return 1000 * (low + (high-low)*rank/n)
		}
		rank -= float64(counts[i])
		low = high
	}
	return 1000 * low
}

// Steps returns the mean time of each step of the renders of the last ticks, in milliseconds.
func (h *history) Steps() map[string]float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	means, renders := map[string]float64{}, int64(0)
	for _, came := range h.recent {
		renders += came[requestPrefix+"rendered"]
	}
	for _, came := range h.recent {
		for name, ms := range came {
			if step, ok := strings.CutPrefix(name, stepPrefix); ok && renders > 0 {
				means[step] += float64(ms) / float64(renders)
			}
		}
	}
	return means
}

// Typical returns the median of a series in the last hour, or None while it has too few values.
func (h *history) Typical(series string) float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	known := slices.DeleteFunc(slices.Clone(h.values[series]), func(v float64) bool { return v == None })
	if len(known) < typicalPoints {
		return None
	}
	slices.Sort(known)
	return known[len(known)/2]
}
