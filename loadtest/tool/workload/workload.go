// Package workload generates the requests of a media site's clients. The same seed gives the same
// requests.
//
// Requests come at random (Poisson) at a rate that changes by phases: steps, ramps, bursts. The
// popularity of originals follows Zipf's law, widths follow Wikimedia's traffic. Shares of the
// requests come from troublemakers: requests for originals that do not exist, one client that
// always asks for new thumbnails, many addresses of one IPv6 network, and clients that read slowly.
package workload

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Phase is a time in which the rate changes linearly from one value to another.
type Phase struct {
	Duration time.Duration
	From, To float64 // requests per second
}

// ParsePhases parses a list such as "60s@100,30s@100-400,10s@1000".
func ParsePhases(text string) (all []Phase, err error) {
	for part := range strings.SplitSeq(text, ",") {
		duration, rates, ok := strings.Cut(strings.TrimSpace(part), "@")
		from, to, ramp := strings.Cut(rates, "-")
		if !ramp {
			to = from
		}
		var p Phase
		var errs [3]error
		p.Duration, errs[0] = time.ParseDuration(duration)
		p.From, errs[1] = strconv.ParseFloat(from, 64)
		p.To, errs[2] = strconv.ParseFloat(to, 64)
		if err := errors.Join(errs[:]...); !ok || err != nil || p.Duration <= 0 || !(p.From >= 0 && p.To >= 0 && p.From+p.To > 0 && p.From+p.To < 1e7) {
			return nil, fmt.Errorf("%q is not a phase: write one such as 60s@100 or 30s@100-400 (requests per second): %w", part, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// Weighted is a value with its share. Shares need not add up to 1.
type Weighted[T any] struct {
	Value T
	Share float64
}

// WikimediaWidths returns the widths of Wikimedia's thumbnails before standard sizes. Shares are
// millions of hits a day at the CDN (Phabricator T360589).
func WikimediaWidths() []Weighted[int] {
	return []Weighted[int]{
		{220, 155.6}, {440, 135.7}, {40, 111.9}, {160, 97.2}, {20, 95.1}, {23, 93}, {60, 82.4}, {960, 77.5}, {30, 70.6},
		{120, 68.3}, {45, 53.4}, {330, 49.9}, {22, 49.1}, {300, 48.8}, {44, 48.3}, {46, 47.2}, {50, 44.4}, {35, 43.6},
		{200, 41.1}, {188, 39.8}, {480, 33.3}, {15, 31.5}, {100, 30.3}, {500, 27.9}, {150, 26.6},
	}
}

// Steps returns Wikimedia's standard widths ($wgThumbnailSteps).
func Steps() []int { return []int{20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840} }

// ToSteps replaces each width by the smallest step that is at least as large.
func ToSteps(widths []Weighted[int]) (all []Weighted[int]) {
	for _, step := range Steps() {
		share := 0.0
		for _, w := range widths {
			if at, _ := slices.BinarySearch(Steps(), w.Value); Steps()[min(at, len(Steps())-1)] == step {
				share += w.Share
			}
		}
		if share > 0 {
			all = append(all, Weighted[int]{step, share})
		}
	}
	return all
}

// Workload describes the requests.
type Workload struct {
	Phases    []Phase
	Originals int     // number of originals
	Zipf      float64 // exponent of their popularity; 0 means that all are equally popular
	Types     []Weighted[string]
	Widths    []Weighted[int]
	Clients   int // number of ordinary clients
	// Shares of all requests, 0 to 1.
	Absent     float64 // for originals that do not exist
	Hammer     float64 // of one client, for new thumbnails
	Neighbours float64 // of ever new addresses of one IPv6 /64
	Slow       float64 // of clients that read slowly
	Seed       uint64
}

// Request is a request for a thumbnail.
type Request struct {
	At       time.Duration // since the start
	Original int           // -1: an original that does not exist
	Type     string
	Width    int
	Client   netip.Addr
	Slow     bool
	// Fresh numbers the requests for new thumbnails from 1; 0 for other requests.
	Fresh int
}

// Duration returns the duration of all phases.
func (w Workload) Duration() (total time.Duration) {
	for _, p := range w.Phases {
		total += p.Duration
	}
	return total
}

// Validate returns all errors of a workload.
func (w Workload) Validate() error {
	var all []error
	if len(w.Phases) == 0 || w.Originals < 1 || w.Originals > 10_000_000 || w.Clients < 1 || len(w.Types) == 0 || len(w.Widths) == 0 {
		all = append(all, errors.New("a workload needs phases, 1 to 10,000,000 originals, clients, types and widths"))
	}
	if !(w.Zipf >= 0 && w.Zipf <= 5) {
		all = append(all, errors.New("the exponent of popularity must be from 0 to 5"))
	}
	sum := 0.0
	for _, share := range []float64{w.Absent, w.Hammer, w.Neighbours, w.Slow} {
		if !(share >= 0 && share <= 1) {
			all = append(all, errors.New("a share must be from 0 to 1"))
		}
		sum += share
	}
	if sum > 1 {
		all = append(all, errors.New("the shares of troublemakers add up to more than 1"))
	}
	return errors.Join(all...)
}

// Requests returns the requests in the order of their times.
func (w Workload) Requests() iter.Seq[Request] {
	return func(yield func(Request) bool) {
		random := rand.New(rand.NewPCG(w.Seed, 0x7468756d62))
		source := newSource(w, random)
		for at := range w.times(random) {
			if !yield(source.request(at)) {
				return
			}
		}
	}
}

// times returns the times of a Poisson process with the phases' rate. Its expected number of events
// grows by exponential steps; each step is solved for the time.
func (w Workload) times(random *rand.Rand) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		var begin time.Duration
		due := random.ExpFloat64()
		for _, p := range w.Phases {
			length := p.Duration.Seconds()
			total := (p.From + p.To) / 2 * length
			for ; due <= total; due += random.ExpFloat64() {
				at := solve(p.From, (p.To-p.From)/(2*length), due)
				if !yield(begin + time.Duration(at*float64(time.Second))) {
					return
				}
			}
			due -= total
			begin += p.Duration
		}
	}
}

// solve returns the t ≥ 0 with a·t + b·t² = n.
func solve(a, b, n float64) float64 {
	if math.Abs(b) < 1e-12 {
		return n / a
	}
	return 2 * n / (a + math.Sqrt(max(0, a*a+4*b*n)))
}

// source draws requests.
type source struct {
	workload         Workload
	random           *rand.Rand
	popular          []float64 // cumulated
	types            []float64
	widths           []float64
	fresh, neighbour int
}

func newSource(w Workload, random *rand.Rand) *source {
	s := &source{workload: w, random: random, popular: make([]float64, w.Originals)}
	sum := 0.0
	for i := range s.popular {
		sum += math.Pow(float64(i+1), -w.Zipf)
		s.popular[i] = sum
	}
	s.types, s.widths = cumulated(w.Types), cumulated(w.Widths)
	return s
}

func cumulated[T any](all []Weighted[T]) (sums []float64) {
	sum := 0.0
	for _, one := range all {
		sum += one.Share
		sums = append(sums, sum)
	}
	return sums
}

// draw returns a random index, with the probability of its share.
func (s *source) draw(sums []float64) int {
	at := sort.SearchFloat64s(sums, s.random.Float64()*sums[len(sums)-1])
	return min(at, len(sums)-1)
}

// greedy is the address of the client that hammers.
func greedy() netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, 66}) }

func (s *source) request(at time.Duration) Request {
	r := Request{At: at, Original: s.draw(s.popular), Width: s.workload.Widths[s.draw(s.widths)].Value, Client: ordinary(s.random.IntN(s.workload.Clients))}
	// The type belongs to the original, not to the request.
	r.Type = s.workload.Types[typeOf(r.Original, s.types)].Value
	switch share := s.random.Float64(); {
	case share < s.workload.Absent:
		r.Original = -1
		s.fresh++
		r.Fresh = s.fresh
	case share < s.workload.Absent+s.workload.Hammer:
		r.Client = greedy()
		s.fresh++
		r.Fresh = s.fresh
	case share < s.workload.Absent+s.workload.Hammer+s.workload.Neighbours:
		s.neighbour++
		r.Client = neighbour(s.neighbour)
	case share < s.workload.Absent+s.workload.Hammer+s.workload.Neighbours+s.workload.Slow:
		r.Slow = true
	}
	return r
}

// typeOf distributes the types among the originals, by a fixed hash of the original's number.
func typeOf(original int, sums []float64) int {
	hash := uint64(original+1) * 0x9e3779b97f4a7c15
	at := float64(hash>>11) / (1 << 53) * sums[len(sums)-1]
	return min(sort.SearchFloat64s(sums, at), len(sums)-1)
}

// TypeOf returns the type of an original, for programs that make the originals.
func (w Workload) TypeOf(original int) string {
	return w.Types[typeOf(original, cumulated(w.Types))].Value
}

func ordinary(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})
}

func neighbour(n int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 1, 0, 2, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}
