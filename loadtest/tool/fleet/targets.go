package fleet

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// Benchmarks are the figures of Go's benchmarks, by the benchmark's name without its number of processors, and by unit.
type Benchmarks map[string]map[string]float64

var processors = regexp.MustCompile(`-\d+$`)

// ReadBenchmarks reads the output of go test -bench, whose lines have a name, a number of iterations, and pairs of a figure
// and its unit. It skips other lines.
func ReadBenchmarks(in io.Reader) (Benchmarks, error) {
	all := Benchmarks{}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || len(words)%2 != 0 || !strings.HasPrefix(words[0], "Benchmark") {
			continue
		}
		name := processors.ReplaceAllString(words[0], "")
		all[name] = map[string]float64{}
		for i := 2; i < len(words); i += 2 {
			figure, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q of %s is not a number: give the output of go test -bench", words[i], name)
			}
			all[name][words[i+1]] = figure
		}
	}
	return all, lines.Err()
}

// Target is a bound of a large fleet's costs, with its measured figure.
type Target struct {
	Name     string
	Unit     string
	Bound    float64
	Most     bool // the figure must be at most the bound; else at least
	Figure   float64
	Measured bool
}

// Met reports whether the figure is known and within its bound.
func (t Target) Met() bool {
	if t.Most {
		return t.Measured && t.Figure <= t.Bound
	}
	return t.Measured && t.Figure >= t.Bound
}

// Targets returns the targets of make bench-fleet with their figures.
func Targets(b Benchmarks) []Target {
	least := func(name, benchmark, unit string, bound float64) Target {
		figure, measured := b[benchmark][unit]
		return Target{Name: name, Unit: unit, Bound: bound, Figure: figure, Measured: measured}
	}
	most := func(name, benchmark, unit string, bound float64) Target {
		t := least(name, benchmark, unit, bound)
		t.Most = true
		return t
	}
	return []Target{
		least("leases of a coordinator at 1,000 edges", "BenchmarkLeases/edges=1000", "leases/core-s", 30_000),
		most("a miss outside of the worker", "BenchmarkFleet", "outside-ms/miss", 2),
		most("heartbeats of 10,000 slots at an edge", "BenchmarkHeartbeats/slots=8", "%core", 2),
		most("failover of a killed coordinator with 50,000 leases", "BenchmarkFailover/killed", "s-to-grant", 1),
		most("failover of a hanging coordinator with 50,000 leases", "BenchmarkFailover/hangs", "s-to-grant", 1),
		most("edges that leave a busy coordinator", "BenchmarkFalseAlarms", "edges-moved", 0),
	}
}
