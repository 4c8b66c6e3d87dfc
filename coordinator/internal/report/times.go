package report

import (
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/lease"
)

// None is the value of a percentile while no request comes.
const None = -1

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
