package profile

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	rounds    = 5
	settleFor = 300 * time.Millisecond // work after the last answer, such as storing, has ended by then
	profiled  = 3                      // the profiles cover at least so many rounds of misses
)

// number returns the number in a variable of the environment, from 1 to 10,000, or usual without one.
func number(b *testing.B, variable string, usual int) int {
	b.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 10_000 {
		b.Fatalf("%s=%s: give a number from 1 to 10000", variable, text)
	}
	return n
}

// cost is the cost of one miss.
type cost struct {
	front, workers                float64 // processor time, ms
	faults, switches, read, wrote float64
}

// BenchmarkProfile prints the cost of a miss in the process that talks to the network and in its
// workers, its places, and its steps. THUMBMILL names a program to use instead of this tree's, OLDER a program
// to compare it with, in turns. MISSES is the number of misses of a round (200), CONNECTIONS the number of requests under
// way (8, which keep all slots of two cores busy).
func BenchmarkProfile(b *testing.B) {
	n := number(b, "MISSES", 200)
	all := clusters(b)
	costs := map[*cluster][]cost{}
	for range rounds {
		for _, c := range all {
			costs[c] = append(costs[c], c.cost(b, n))
		}
	}
	printCosts(all, costs, n)
	for _, c := range all {
		fmt.Printf("\n## %s\n", c.name)
		steps := c.printProfiles(b, profiled*n)
		c.printSystemCalls(b, n)
		steps.traced = min(n, tracedMost)
		calls, copied := c.callStacks(b, steps.traced)
		steps.calls, steps.copied = bySteps(calls), bySteps(copied)
		printSteps(b, steps)
	}
	b.ReportMetric(median(all[0], costs, func(c cost) float64 { return c.front }), "front-ms/miss")
	b.ReportMetric(0, "ns/op")
}

// cost drives n misses, and returns the cost of each.
func (c *cluster) cost(b *testing.B, n int) cost {
	b.Helper()
	time.Sleep(settleFor) // no counter shows work that is still to come
	before := c.read(b)
	c.drive(b, n)
	time.Sleep(settleFor) // no counter shows work that is still to come
	used := c.read(b).less(before)
	each := func(v uint64) float64 { return float64(v) / float64(n) }
	return cost{
		front: milliseconds(used.front) / float64(n), workers: milliseconds(used.workers) / float64(n),
		faults: each(used.faults), switches: each(used.switches), read: each(used.bytesRead) / 1024, wrote: each(used.bytesWritten) / 1024,
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(of *cluster, costs map[*cluster][]cost, value func(cost) float64) float64 {
	var all []float64
	for _, c := range costs[of] {
		all = append(all, value(c))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func printCosts(all []*cluster, costs map[*cluster][]cost, n int) {
	fmt.Printf("\nA miss, %d connections, medians of %d rounds of %d misses in turns:\n\n", all[0].connections, rounds, n)
	fmt.Println("| program | front, processor ms | of the last's | workers, processor ms | page faults | context switches | KB read | KB written | memory of the front, MB (PSS) |")
	fmt.Println("|---|---|---|---|---|---|---|---|---|")
	last := median(all[len(all)-1], costs, func(c cost) float64 { return c.front })
	for _, c := range all {
		of := func(value func(cost) float64) float64 { return median(c, costs, value) }
		front := of(func(c cost) float64 { return c.front })
		fmt.Printf("| %s | %.2f | %.2f | %.2f | %.1f | %.1f | %.0f | %.0f | %.0f |\n", c.name, front, front/last,
			of(func(c cost) float64 { return c.workers }), of(func(c cost) float64 { return c.faults }),
			of(func(c cost) float64 { return c.switches }), of(func(c cost) float64 { return c.read }),
			of(func(c cost) float64 { return c.wrote }), c.memory())
	}
}
