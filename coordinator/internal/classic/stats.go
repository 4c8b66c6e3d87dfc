package classic

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

// stats answers STATS, with the words and order of the original.
func stats(which string, uptime time.Duration, c pools.Counts, t pools.Times, connectErrors, failedSends int64) string {
	line := uptimeLine(uptime)
	counters := []struct {
		name  string
		value int64
	}{
		{"total_acquired", c.Acquired}, {"total_releases", c.Releases}, {"hashtable_entries", c.Pools},
		{"processing_workers", c.Processing}, {"waiting_workers", c.Waiting}, {"connect_errors", connectErrors},
		{"failed_sends", failedSends}, {"full_queues", c.FullQueues}, {"lock_mismatch", c.LockMismatch},
		{"lock_while_waiting", c.LockWhileWaiting}, {"release_mismatch", c.ReleaseMismatch},
		{"processed_count", c.ProcessedCount},
	}
	switch {
	case strings.EqualFold(which, "UPTIME"):
		return line
	case strings.EqualFold(which, "FULL"):
		full := line + times(t, c.ProcessedCount)
		for _, counter := range counters {
			full += fmt.Sprintf("%s: %d\n", counter.name, counter.value)
		}
		return full + "\n"
	}
	for _, counter := range counters {
		if strings.EqualFold(which, counter.name) {
			return fmt.Sprintf("%s: %d\n", counter.name, counter.value)
		}
	}
	return string(poolcounter.WrongStat)
}

func uptimeLine(up time.Duration) string {
	s := int(up.Seconds())
	return fmt.Sprintf("uptime: %d days, %dh %dm %ds\n", s/86400, s/3600%24, s/60%60, s%60)
}

func times(t pools.Times, processed int64) string {
	average := t.Processing
	if processed > 0 {
		average /= time.Duration(processed)
	}
	var out strings.Builder
	for _, row := range []struct {
		title string
		value time.Duration
	}{
		{"total processing time", t.Processing}, {"average processing time", average}, {"gained time", t.Gained},
		{"waiting time", t.Waiting}, {"waiting time for me", t.WaitingForMe},
		{"waiting time for anyone", t.WaitingForAnyone}, {"waiting time for good", t.WaitingForGood},
		{"wasted timeout time", t.WastedTimeout},
	} {
		fmt.Fprintf(&out, "%s: %s\n", row.title, duration(row.value))
	}
	return out.String()
}

// duration writes 1 days 2h 3m 4.500000s, without larger units that are zero.
func duration(d time.Duration) string {
	seconds := d.Seconds()
	if seconds < 60 {
		return fmt.Sprintf("%fs", seconds)
	}
	minutes := int(seconds) / 60
	text := fmt.Sprintf("%dm %fs", minutes%60, math.Mod(seconds, 60))
	if minutes >= 60 {
		text = fmt.Sprintf("%dh %s", minutes/60%24, text)
	}
	if minutes >= 24*60 {
		text = fmt.Sprintf("%d days %s", minutes/60/24, text)
	}
	return text
}
