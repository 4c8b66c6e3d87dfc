package jpeg

import (
	"math"
	"slices"
	"strconv"
	"testing"
)

// basis returns the value at x of the n-point cosine of coefficient u.
func basis(n, u, x int) float64 {
	v := math.Cos(float64(2*x+1) * float64(u) * math.Pi / float64(2*n))
	if u == 0 {
		v /= math.Sqrt2
	}
	return v
}

// reduced returns the n x n samples of an 8 x 8 block's lowest coefficients, by the definition of the
// transform.
func reduced(block [64]float64, n int) (samples [64]float64) {
	for v := range n {
		for u := range n {
			sum := 0.0
			for i, s := range block {
				sum += s * basis(8, u, i%8) * basis(8, v, i/8) / 16
			}
			for i := range n * n {
				samples[i] += sum * basis(n, u, i%n) * basis(n, v, i/n)
			}
		}
	}
	return samples
}

func TestReducedBlocksAreTheirLowestCoefficients(t *testing.T) {
	file := encoded(t, photograph(96, 64), "-quality", "95", "-grayscale")
	whole, err := Decode(file, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Free()
	for n := 1; n <= 7; n++ {
		t.Run(strconv.Itoa(n)+"/8", func(t *testing.T) {
			p, err := Decode(file, n, n)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Free()
			for i := range 12 * 8 {
				compareBlock(t, whole.Planes[0], p.Planes[0], i%12, i/12, n)
			}
		})
	}
}

// compareBlock compares a reduced block with its definition, within the rounding of the whole block's
// samples.
func compareBlock(t *testing.T, whole, p Plane, x, y, n int) {
	t.Helper()
	var block [64]float64
	for i := range block {
		block[i] = 4 * float64(whole.Row(y*8 + i/8)[x*8+i%8])
	}
	if slices.Contains(block[:], 0) || slices.Contains(block[:], 4*255) {
		return // the decoder clipped the block
	}
	want := reduced(block, n)
	for i := range n * n {
		got := float64(p.Row(y*n + i/n)[x*n+i%n])
		if w := min(max(want[i]/4, 0), 255); math.Abs(got-w) > 1.5 {
			t.Fatalf("block %d, %d: sample %d is %v, want %.2f", x, y, i, got, w)
		}
	}
}
