package queueing

import (
	"math"
	"testing"
)

// Tables: Erlang's B for 10 lines and 5 erlang is 0.01838 (A. K. Erlang), textbook values of M/M/1,
// and an example of one pooled queue.
func TestAgainstTables(t *testing.T) {
	for what, c := range map[string]struct{ got, want float64 }{
		"B(10, 5)":                        {ErlangB(10, 5), 0.018385},
		"C(10, 5)":                        {ErlangC(10, 5), 0.036105},
		"M/M/1, ρ 0.5":                    {MMC{1, 0.5, 1}.MeanWait(), 1},
		"M/M/1, ρ 0.9, more than 10":      {MMC{1, 0.9, 1}.Beyond(10), 0.9 * math.Exp(-1)},
		"M/M/1/2, ρ 1":                    {MMCK{MMC{1, 1, 1}, 2}.Refused(), 1. / 3},
		"M/M/c/K with much room is M/M/c": {MMCK{MMC{4, 3, 1}, 400}.MeanWait(), MMC{4, 3, 1}.MeanWait()},
		"M/M/c/c is Erlang's B":           {MMCK{MMC{10, 5, 1}, 10}.Refused(), ErlangB(10, 5)},
		"M/D/1 waits half as long":        {MD1Wait(0.8, 1), MMC{1, 0.8, 1}.MeanWait() / 2},
		"4 slots at 0.9, beyond 2":        {MMC{4, 3.6, 1}.Beyond(2), 0.7878 * math.Exp(-.8)},
	} {
		if math.Abs(c.got-c.want) > 1e-4*math.Max(1, c.want) {
			t.Errorf("%s: %v, want %v", what, c.got, c.want)
		}
	}
	if pooled := (MMC{400, 360, 1}).Beyond(2); pooled > 1e-6 {
		t.Errorf("pooled: %v", pooled)
	}
	if n := SlotsFor(100, 0.2, 1, 0.5, 0.95); n < 21 || n > 24 {
		t.Errorf("%d slots for 20 slots' worth of work", n)
	}
	if !math.IsInf(MMC{1, 2, 1}.MeanWait(), 1) || ErlangC(1, 2) != 1 {
		t.Error("the wait under an overload is finite")
	}
}
