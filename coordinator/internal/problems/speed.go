package problems

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/snapshot"
)

const (
	// slower is how many times as long as usual renders take when they are slow, and slowRender the least such time.
	slower, slowRender = 3, 300 * time.Millisecond
	// A store is slow when stored thumbnails take longer than slowHit at the 95th percentile, or originals longer than
	// slowRead on the mean.
	slowHit, slowRead = 500 * time.Millisecond, time.Second
	// unmeasured is the value of a percentile of no answers.
	unmeasured = -1
)

// The remedies of slow stores.
const (
	originalsStore  = "look at the store of originals and at the way to it"
	thumbnailsStore = "look at the store of thumbnails and at the way to it"
)

// part is a part of a render's time.
type part struct {
	name   string
	steps  []string // of lease.Status.Steps
	page   string
	remedy string // when this part makes renders slow
}

// parts returns the parts of a render's time. shorter is the change that shortens waits.
func parts(shorter string) []part {
	return []part{
		{"waiting for a place", []string{"admit"}, "lanes", shorter},
		{"waiting in the queue", []string{"queued"}, "lanes", shorter},
		{"reading originals", []string{"head", "fetch"}, "edges", originalsStore},
		{"drawing", []string{"worker"}, "originals", "look at the originals with the most processor time, and at other load on the renderers’ machines"},
		{"asking the store of thumbnails", []string{"lookup"}, "edges", thumbnailsStore},
	}
}

// took returns the mean time of a part.
func (p part) took(means map[string]float64) (ms float64) {
	for _, step := range p.steps {
		ms += means[step]
	}
	return ms
}

// whole returns the mean time of a render. The steps queued, fetch and worker are parts of the step render.
func whole(means map[string]float64) float64 {
	return means["lookup"] + means["head"] + means["failure"] + means["admit"] + means["publish"] + means["render"]
}

// longest returns the part that takes most of a render's time, and its share.
func (f *finder) longest() (part, float64) {
	means := f.t.Steps
	most := slices.MaxFunc(parts(f.shorter()), func(a, b part) int { return cmp.Compare(a.took(means), b.took(means)) })
	if all := whole(means); all > 0 {
		return most, min(1, most.took(means)/all)
	}
	return part{}, 0
}

// compared says how a time compares with the usual one.
func compared(now, usual float64) string {
	switch {
	case usual == unmeasured:
		return ""
	case now > 1.5*usual:
		return fmt.Sprintf(", %.1f times as long as usual", now/usual)
	case now < usual/1.5:
		return ", less than usual"
	}
	return ", as usual"
}

func (f *finder) latest(series string) float64 {
	if v, known := f.t.Latest.Values[series]; known {
		return v
	}
	return unmeasured
}

// speed sums up the times of answers.
func (f *finder) speed() snapshot.Speed {
	var told []string
	page := "edges"
	if p50 := f.latest("p50 rendered"); p50 != unmeasured {
		sentence := fmt.Sprintf("Renders take %s%s (p95 %s)", lasting(p50), compared(p50, f.history.Typical("p50 rendered")), lasting(f.latest("p95 rendered")))
		if most, share := f.longest(); share > 0 {
			sentence, page = fmt.Sprintf("%s; %s of that is %s", sentence, percent(share), most.name), most.page
		}
		told = append(told, sentence+".")
	}
	if p50 := f.latest("p50 hit"); p50 != unmeasured {
		told = append(told, fmt.Sprintf("Stored thumbnails take %s (p95 %s).", lasting(p50), lasting(f.latest("p95 hit"))))
	}
	return snapshot.Speed{Sentence: strings.Join(told, " "), Page: page}
}

// ofSpeed tells of renders that take longer than usual, and of slow stores.
func (f *finder) ofSpeed() {
	most, share := f.longest()
	now, usual := f.latest("p50 rendered"), f.history.Typical("p50 rendered")
	limit := max(slower*usual, float64(slowRender.Milliseconds()))
	reading := f.t.Steps["head"] + f.t.Steps["fetch"]
	switch {
	case usual != unmeasured && now > limit:
		sentence := fmt.Sprintf("Renders take %s at the median, %.0f times as long as usual", lasting(now), now/usual)
		if share > 0 { // edges of earlier versions tell no steps
			sentence += fmt.Sprintf(": %s of the time is %s", percent(share), most.name)
		}
		f.slow(cmp.Or(most.page, "edges"), cmp.Or(most.remedy, f.shorter()), "p50 rendered", limit, "%s.", sentence)
	case reading > float64(slowRead.Milliseconds()):
		f.slow("edges", originalsStore, "", 0, "Originals take %s to read.", lasting(reading))
	}
	if p95, bound := f.latest("p95 hit"), float64(slowHit.Milliseconds()); p95 > bound {
		f.slow("edges", thumbnailsStore, "p95 hit", bound, "Stored thumbnails take %s at p95.", lasting(p95))
	}
}

// slow adds a problem of speed: a note while one client's flood explains waits.
func (f *finder) slow(page, remedy, series string, limit float64, sentence string, args ...any) {
	severity := snapshot.Warning
	if f.isFlood() {
		severity = snapshot.Note
	}
	f.say(snapshot.Problem{Severity: severity, Remedy: remedy, Since: f.history.Since(series, above(limit)), Page: page}, sentence, args...)
}

// lasting writes a time in milliseconds.
func lasting(ms float64) string {
	switch {
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return span(time.Duration(ms * float64(time.Millisecond)))
}
