// Package queueing has closed forms of queueing theory. The planner's first guess uses them, and
// tests compare the simulator with them. Times are in the caller's unit; arrivals are Poisson
// unless a function says otherwise.
//
// Sources: L. Kleinrock, Queueing Systems I (1975) for M/M/c, M/M/c/K and Pollaczek–Khinchine; A.
// O. Allen, Probability, Statistics, and Queueing Theory (1990) for Allen–Cunneen.
package queueing

import "math"

// ErlangB returns the share of requests that find all of c slots busy, if no request waits and the
// offered work keeps load slots busy.
func ErlangB(c int, load float64) float64 {
	b := 1.0
	for n := 1; n <= c; n++ {
		b = load * b / (float64(n) + load*b)
	}
	return b
}

// ErlangC returns the share of requests that wait for one of c slots, or 1 if load exceeds c.
func ErlangC(c int, load float64) float64 {
	if load >= float64(c) {
		return 1
	}
	b := ErlangB(c, load)
	return b / (1 - load/float64(c)*(1-b))
}

// MMC is a queue with exponential service.
type MMC struct {
	Slots   int
	Rate    float64 // of arrivals
	Service float64 // mean
}

func (q MMC) load() float64 { return q.Rate * q.Service }

// MeanWait returns the mean wait, or +Inf if the load exceeds the slots.
func (q MMC) MeanWait() float64 {
	if q.load() >= float64(q.Slots) {
		return math.Inf(1)
	}
	return ErlangC(q.Slots, q.load()) * q.Service / (float64(q.Slots) - q.load())
}

// Beyond returns the share of requests that wait longer than t.
func (q MMC) Beyond(t float64) float64 {
	if q.load() >= float64(q.Slots) {
		return 1
	}
	return ErlangC(q.Slots, q.load()) * math.Exp(-(float64(q.Slots)-q.load())*t/q.Service)
}

// MMCK is a queue with exponential service and room for Room requests, including requests in
// service. It refuses requests when it is full.
type MMCK struct {
	Queue MMC
	Room  int
}

// Refused returns the share of refused requests.
func (q MMCK) Refused() float64 {
	p := q.states()
	return p[q.Room]
}

// MeanWait returns the mean wait of accepted requests.
func (q MMCK) MeanWait() float64 {
	p := q.states()
	waiting := 0.0
	for n := q.Queue.Slots + 1; n <= q.Room; n++ {
		waiting += float64(n-q.Queue.Slots) * p[n]
	}
	return waiting / (q.Queue.Rate * (1 - p[q.Room]))
}

// states returns the probabilities of n requests in the system.
func (q MMCK) states() []float64 {
	p := make([]float64, q.Room+1)
	p[0] = 1
	sum := 1.0
	for n := 1; n <= q.Room; n++ {
		p[n] = p[n-1] * q.Queue.load() / float64(min(n, q.Queue.Slots))
		sum += p[n]
	}
	for n := range p {
		p[n] /= sum
	}
	return p
}

// MD1Wait returns the mean wait for one slot with constant service (Pollaczek–Khinchine).
func MD1Wait(rate, service float64) float64 {
	load := rate * service
	return load * service / (2 * (1 - load))
}

// SlotsFor returns the least number of slots that keeps the given share of waits at most t. It uses
// M/M/c with Allen–Cunneen's factor on the wait: the mean of the squared coefficients of variation
// of arrivals (1) and of service.
func SlotsFor(rate, service, variationService, t, share float64) int {
	for c := max(1, int(math.Ceil(rate*service))); ; c++ {
		q := MMC{c, rate, service}
		factor := max((1+variationService)/2, 1e-9)
		if rate*service < float64(c) && q.Beyond(t/factor) <= 1-share {
			return c
		}
	}
}
