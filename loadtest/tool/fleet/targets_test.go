package fleet

import (
	"strings"
	"testing"
)

const output = `goos: linux
BenchmarkLeases/edges=1000-2         	       1	         0 ns/op	        73.00 MB	     48600 leases/core-s	     40000 leases/s
BenchmarkFleet-2 	       1	         0 ns/op	         3.200 outside-ms/miss
BenchmarkFailover/hangs-2	1	0 ns/op	1.000 s-to-grant
BenchmarkFalseAlarms 	1	0 edges-moved	2 edges-suspected
PASS
`

func TestTargets(t *testing.T) {
	b, err := ReadBenchmarks(strings.NewReader(output))
	if err != nil {
		t.Fatal(err)
	}
	met := map[string]bool{}
	for _, target := range Targets(b) {
		met[target.Name] = target.Met()
		if absent := strings.Contains(target.Name, "killed") || strings.Contains(target.Name, "heartbeats"); target.Measured == absent {
			t.Errorf("%+v", target)
		}
	}
	for name, want := range map[string]bool{
		"leases of a coordinator at 1,000 edges": true, "a miss outside of the worker": false, "edges that leave a busy coordinator": true,
		"failover of a hanging coordinator with 50,000 leases": true, "failover of a killed coordinator with 50,000 leases": false,
	} {
		if got, known := met[name]; got != want || !known {
			t.Errorf("%s: met is %v, want %v", name, got, want)
		}
	}
}

func TestOutputThatIsNotOfBenchmarks(t *testing.T) {
	if _, err := ReadBenchmarks(strings.NewReader("BenchmarkX 1 fast ns/op\n")); err == nil || !strings.Contains(err.Error(), `"fast"`) {
		t.Error(err)
	}
}
