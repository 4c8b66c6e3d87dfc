package plan

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/thumbmill/thumbmill/loadtest/tool/workload"
)

// Machine describes a renderer's machine. 0 means unknown; such a resource is not counted.
type Machine struct {
	Cores    float64
	Memory   float64 // bytes
	Slot     float64 // memory limit of a slot in bytes
	Download float64 // bytes per second
	Writes   float64 // thumbnails per second that the store accepts from all renderers
}

// Resource is a resource that renders need, with the share that is used. Above 1 the plan cannot work.
type Resource struct {
	Name   string  `json:"name"`
	Use    float64 `json:"use"`
	Remedy string  `json:"remedy,omitempty"` // the change that makes the plan work; only above 1
}

// ErrOverloaded means that a plan needs more of a resource than there is.
var ErrOverloaded = errors.New("the plan cannot work")

// Check returns an error with ErrOverloaded that names each overloaded resource and its remedy.
func Check(all []Resource) error {
	var wrong []error
	for _, r := range all {
		if r.Use > 1 {
			wrong = append(wrong, fmt.Errorf("%w: it takes %.0f %% of %s: %s", ErrOverloaded, 100*r.Use, r.Name, r.Remedy))
		}
	}
	return errors.Join(wrong...)
}

// Binds returns the used shares with a number of renderers, the largest first.
func Binds(p Profile, m Machine, renderers int) (all []Resource) {
	mean, _ := p.Moments()
	n := float64(renderers)
	add := func(name string, used, there float64, remedy string) {
		if used <= 0 || there <= 0 {
			return
		}
		r := Resource{Name: name, Use: used / there}
		if r.Use > 1 {
			r.Remedy = remedy
		}
		all = append(all, r)
	}
	machines := func(used, each float64) string { return fmt.Sprintf("take %.0f renderers", math.Ceil(used/each)) }
	add("slots", p.Rate()*mean, n*float64(p.Slots), machines(p.Rate()*mean, float64(p.Slots)))
	add("processor", p.Rate()*p.CPU, n*m.Cores, machines(p.Rate()*p.CPU, m.Cores))
	add("memory", float64(p.Slots)*m.Slot, m.Memory, fmt.Sprintf("give each renderer %.0f slots or %.0f GB", math.Floor(m.Memory/m.Slot), math.Ceil(float64(p.Slots)*m.Slot/1e9)))
	add("download", p.Rate()*p.Bytes, n*m.Download, fmt.Sprintf("%s, or give each a way of %.0f MB a second", machines(p.Rate()*p.Bytes, m.Download), math.Ceil(p.Rate()*p.Bytes/n/1e6)))
	add("store", p.Rate(), m.Writes, fmt.Sprintf("take a store of %.0f thumbnails a second, or %.0f such stores", math.Ceil(p.Rate()), math.Ceil(p.Rate()/m.Writes)))
	slices.SortFunc(all, func(a, b Resource) int { return cmp.Compare(b.Use, a.Use) })
	return all
}

// StandardSizes returns the share of renders with standard widths only. It is the ratio of
// different thumbnails with and without Wikimedia's steps, for the given number of requests and
// originals (Zipf's law with exponent 1, Wikimedia's widths).
func StandardSizes(requests, originals int) float64 {
	w := workload.Workload{
		Phases: []workload.Phase{{Duration: 1e9, From: float64(requests), To: float64(requests)}}, Originals: originals, Zipf: 1,
		Types: []workload.Weighted[string]{{Value: "jpg", Share: 1}}, Clients: 1, Seed: 1,
	}
	different := func(widths []workload.Weighted[int]) float64 {
		type thumbnail struct{ original, width int }
		seen := map[thumbnail]struct{}{}
		w.Widths = widths
		for r := range w.Requests() {
			seen[thumbnail{r.Original, r.Width}] = struct{}{}
		}
		return float64(len(seen))
	}
	return different(workload.ToSteps(workload.WikimediaWidths())) / different(workload.WikimediaWidths())
}

// PerRenderer returns the profile of one of n renderers, if a load balancer gives each its own
// queue at random.
func PerRenderer(p Profile, n int) Profile { return p.Scaled(1/float64(n), 1) }
