// Package ssim compares pictures as the conformance cases do: the mean structural
// similarity of 8-bit luma, with a Gaussian window of 11 and sigma 1.5, K1 = 0.01
// and K2 = 0.03 (Wang, Bovik, Sheikh and Simoncelli 2004).
package ssim

import (
	"fmt"
	"image"
	"image/draw"
	"math"
	"slices"
)

const (
	window = 11
	sigma  = 1.5
	c1     = (0.01 * 255) * (0.01 * 255)
	c2     = (0.03 * 255) * (0.03 * 255)
)

// plane is luma, row by row.
type plane struct {
	width, height int
	values        []float64
}

// luma composites a picture over a grey background and gives its 8-bit luma
// (ITU-R 601-2, rounded, as imaging libraries do).
func luma(m image.Image, background float64) plane {
	b := m.Bounds()
	flat := image.NewNRGBA(image.Rectangle{Max: b.Size()})
	draw.Draw(flat, flat.Rect, m, b.Min, draw.Src)
	p := plane{b.Dx(), b.Dy(), make([]float64, 0, b.Dx()*b.Dy())}
	for c := range slices.Chunk(flat.Pix, 4) {
		a := float64(c[3]) / 255
		over := func(v uint8) float64 { return math.Round(float64(v)*a + background*(1-a)) }
		p.values = append(p.values, math.Round(0.299*over(c[0])+0.587*over(c[1])+0.114*over(c[2])))
	}
	return p
}

// Mean is the similarity of two pictures of the same size over a background of
// that grey: 1 for equal ones.
func Mean(a, b image.Image, background uint8) (float64, error) {
	if a.Bounds().Size() != b.Bounds().Size() {
		return 0, fmt.Errorf("%v and %v differ in size", a.Bounds().Size(), b.Bounds().Size())
	}
	x, y := luma(a, float64(background)), luma(b, float64(background))
	mx, my := blur(x), blur(y)
	xx, yy, xy := blur(product(x, x)), blur(product(y, y)), blur(product(x, y))
	sum := 0.0
	for i := range mx.values {
		m, n := mx.values[i], my.values[i]
		vx, vy, cov := xx.values[i]-m*m, yy.values[i]-n*n, xy.values[i]-m*n
		sum += (2*m*n + c1) * (2*cov + c2) / ((m*m + n*n + c1) * (vx + vy + c2))
	}
	return sum / float64(len(mx.values)), nil
}

func product(a, b plane) plane {
	p := plane{a.width, a.height, make([]float64, len(a.values))}
	for i := range p.values {
		p.values[i] = a.values[i] * b.values[i]
	}
	return p
}

// blur is separable; at the edges the picture is mirrored.
func blur(p plane) plane {
	return pass(pass(p, 1, 0), 0, 1)
}

// pass blurs in one direction.
func pass(p plane, dx, dy int) plane {
	kernel := gauss()
	out := plane{p.width, p.height, make([]float64, len(p.values))}
	columns, rows := mirrored(p.width), mirrored(p.height)
	for y := range p.height {
		for x := range p.width {
			sum := 0.0
			for k, weight := range kernel {
				d := k - window/2
				sum += weight * p.values[rows[y+d*dy+window]*p.width+columns[x+d*dx+window]]
			}
			out.values[y*p.width+x] = sum
		}
	}
	return out
}

// mirrored lists where coordinates lie from window before the first on.
func mirrored(n int) []int {
	all := make([]int, n+2*window)
	for i := range all {
		all[i] = mirror(i-window, n)
	}
	return all
}

func mirror(i, n int) int {
	for i < 0 || i >= n {
		if i < 0 {
			i = -i - 1
		} else {
			i = 2*n - i - 1
		}
	}
	return i
}

func gauss() (kernel [window]float64) {
	sum := 0.0
	for i := range kernel {
		d := float64(i - window/2)
		kernel[i] = math.Exp(-d * d / (2 * sigma * sigma))
		sum += kernel[i]
	}
	for i := range kernel {
		kernel[i] /= sum
	}
	return kernel
}
