package plan

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sort"

	"github.com/thumbmill/thumbmill/loadtest/tool/simulator"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// Profile describes the requests and their costs.
type Profile struct {
	Classes []Class `json:"classes"`
	// Fetch and Store are the mean times in seconds to read an original and to write a thumbnail.
	Fetch float64 `json:"fetch_seconds"`
	Store float64 `json:"store_seconds"`
	// Slots is the number of slots of one renderer.
	Slots int `json:"slots"`
	// CPU is the processor time of a render in seconds, Bytes the fetched bytes of a render. 0
	// means unknown.
	CPU   float64 `json:"cpu_seconds,omitempty"`
	Bytes float64 `json:"fetch_bytes,omitempty"`
	// Beyond is the share of the renders' time that single clients asked for beyond a quarter of the
	// fleet: 0 without such a client, or if nobody measured it.
	Beyond float64 `json:"beyond_share,omitempty"`
}

// Class has the requests of one lane and type.
type Class struct {
	Lane renderjob.Lane `json:"lane"`
	Type string         `json:"type"`
	Rate float64        `json:"per_second"` // including refused requests
	// Render has the distribution of durations: cumulated counts up to each time, as in a
	// Prometheus histogram. Within a bin, durations are uniform.
	Render []Bin `json:"render"`
}

// Bin counts the renders that took at most Seconds.
type Bin struct {
	Seconds float64 `json:"seconds"`
	Count   float64 `json:"count"`
}

// Read reads a recorded profile.
func Read(file string) (p Profile, err error) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err == nil {
		err = p.Validate()
	}
	if err != nil {
		return p, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

// Validate returns the first error of a profile.
func (p Profile) Validate() error {
	if len(p.Classes) == 0 || p.Slots < 1 || p.Slots > 10_000 || p.Fetch < 0 || p.Store < 0 || !(p.Beyond >= 0 && p.Beyond < 1) {
		return errors.New("a profile has classes, 1 to 10,000 slots of a renderer, times of at least 0, and a beyond_share from 0 to below 1")
	}
	for _, c := range p.Classes {
		if !slices.Contains(renderjob.Lanes(), c.Lane) {
			return fmt.Errorf("%q is not a lane: use standard, expensive or bulk", c.Lane)
		}
		if !(c.Rate >= 0 && c.Rate < 1e7) || len(c.Render) == 0 {
			return fmt.Errorf("%s %s: a class needs per_second from 0 to 10 million, and bins in render", c.Lane, c.Type)
		}
		for i, b := range c.Render {
			before := Bin{}
			if i > 0 {
				before = c.Render[i-1]
			}
			if !(b.Seconds > before.Seconds) || math.IsInf(b.Seconds, 0) || b.Count < before.Count {
				return fmt.Errorf("%s %s: seconds must rise, and counts must not fall", c.Lane, c.Type)
			}
		}
		if c.Render[len(c.Render)-1].Count <= 0 {
			return fmt.Errorf("%s %s: no render was counted: record a longer window", c.Lane, c.Type)
		}
	}
	if p.Rate() <= 0 {
		return errors.New("the profile has no requests: record a window with requests")
	}
	return nil
}

// Rate returns the rate of all classes.
func (p Profile) Rate() (total float64) {
	for _, c := range p.Classes {
		total += c.Rate
	}
	return total
}

// Moments returns the mean time of a render in seconds, and its squared coefficient of variation.
func (p Profile) Moments() (mean, variation float64) {
	var first, second float64
	for _, c := range p.Classes {
		before := Bin{}
		total := c.Render[len(c.Render)-1].Count
		for _, b := range c.Render {
			share := (b.Count - before.Count) / total * c.Rate / p.Rate()
			first += share * (before.Seconds + b.Seconds) / 2
			second += share * (b.Seconds*b.Seconds + b.Seconds*before.Seconds + before.Seconds*before.Seconds) / 3
			before = b
		}
	}
	return first, second/(first*first) - 1
}

// Scaled returns a profile with rate times the requests, each with time times the duration.
func (p Profile) Scaled(rate, time float64) Profile {
	scaled := p
	scaled.CPU *= time
	scaled.Classes = nil
	for _, c := range p.Classes {
		render := slices.Clone(c.Render)
		for i := range render {
			render[i].Seconds *= time
		}
		scaled.Classes = append(scaled.Classes, Class{c.Lane, c.Type, c.Rate * rate, render})
	}
	return scaled
}

// cut shortens bins that contain a limit: measured renders ended there. Bins beyond the limit
// stay, as renders that overrun.
func (p Profile) cut(limits map[renderjob.Lane]float64) Profile {
	cut := p.Scaled(1, 1)
	for _, c := range cut.Classes {
		before := 0.0
		for i := range c.Render {
			after := c.Render[i].Seconds
			if limit := limits[c.Lane]; before < limit && limit < after {
				c.Render[i].Seconds = limit
			}
			before = after
		}
	}
	return cut
}

// Requests returns n requests at random times (Poisson).
func (p Profile) Requests(n int, seed uint64) iter.Seq[simulator.Request] {
	return func(yield func(simulator.Request) bool) {
		random := rand.New(rand.NewPCG(seed, 17))
		rates := make([]float64, len(p.Classes))
		total := 0.0
		for i, c := range p.Classes {
			total += c.Rate
			rates[i] = total
		}
		at := 0.0
		for range n {
			at += random.ExpFloat64() / total
			c := p.Classes[min(sort.SearchFloat64s(rates, random.Float64()*total), len(rates)-1)]
			if !yield(simulator.Request{At: at, Lane: c.Lane, Fetch: p.Fetch, Render: c.draw(random), Store: p.Store}) {
				return
			}
		}
	}
}

// draw returns a random time of a render.
func (c Class) draw(random *rand.Rand) float64 {
	want := random.Float64() * c.Render[len(c.Render)-1].Count
	i := sort.Search(len(c.Render)-1, func(i int) bool { return c.Render[i].Count > want })
	before := Bin{}
	if i > 0 {
		before = c.Render[i-1]
	}
	in := c.Render[i]
	return before.Seconds + (in.Seconds-before.Seconds)*random.Float64()
}
