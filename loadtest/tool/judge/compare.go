package judge

import (
	"fmt"
	"image"
	"math"

	"golang.org/x/image/draw"

	"github.com/thumbmill/thumbmill/loadtest/tool/ssim"
)

// Difference is the difference of two pictures of the same size.
type Difference struct {
	Colour  float64 // mean absolute difference of the channels, 0 to 255, over white or black, the larger of the two
	Alpha   float64 // the same for alpha
	Cell    float64 // the largest mean of a cell of 8 × 8 pixels
	Similar float64 // structural similarity of luma, over white
}

// Bounds of pictures that look the same. Differences of decoders and kernels are below them; a
// wrong profile, a lost layer or a black background is above.
const (
	nearColour  = 5
	nearAlpha   = 5
	nearSimilar = 0.85
	flatColour  = 1.5 // below it, similarity does not count, because it measures noise
)

// Near reports whether the two pictures look the same.
func (d Difference) Near() bool {
	return d.Colour <= nearColour && d.Alpha <= nearAlpha && (d.Similar >= nearSimilar || d.Colour <= flatColour)
}

func (d Difference) String() string {
	return fmt.Sprintf("colour %.1f, alpha %.1f, worst cell %.0f, similarity %.3f", d.Colour, d.Alpha, d.Cell, d.Similar)
}

// Score orders differences: a larger score is worse.
func (d Difference) Score() float64 { return max(d.Colour, d.Alpha) + 20*(1-d.Similar) }

// Compare scales the reference to the picture's size and compares the two.
func Compare(got *image.NRGBA, reference image.Image) Difference {
	want := scaled(reference, got.Rect.Size())
	d := Difference{Similar: 1}
	for _, background := range []float64{255, 0} {
		colour, cell := meanDifference(got, want, background)
		d.Colour, d.Cell = max(d.Colour, colour), max(d.Cell, cell)
	}
	for i := 3; i < len(got.Pix); i += 4 {
		d.Alpha += math.Abs(float64(got.Pix[i]) - float64(want.Pix[i]))
	}
	d.Alpha /= float64(len(got.Pix) / 4)
	if value, err := ssim.Mean(got, want, 255); err == nil { // their sizes are the same
		d.Similar = value
	}
	return d
}

// scaled returns a picture at another size. It scales with premultiplied alpha.
func scaled(m image.Image, size image.Point) *image.NRGBA {
	if m.Bounds().Size() == size {
		return flat(m)
	}
	out := image.NewRGBA64(image.Rectangle{Max: size})
	draw.CatmullRom.Scale(out, out.Rect, m, m.Bounds(), draw.Src, nil)
	return flat(out)
}

const cellSide = 8

// meanDifference returns the mean over all pixels on a grey background, and the mean of the worst
// cell.
func meanDifference(a, b *image.NRGBA, background float64) (mean, worst float64) {
	size := a.Rect.Size()
	across := (size.X + cellSide - 1) / cellSide
	cells := make([]float64, across*((size.Y+cellSide-1)/cellSide))
	counts := make([]float64, len(cells))
	for y := range size.Y {
		for x := range size.X {
			d := pixelDifference(a.Pix[a.PixOffset(x, y):], b.Pix[b.PixOffset(x, y):], background)
			cell := y/cellSide*across + x/cellSide
			cells[cell] += d
			counts[cell]++
			mean += d
		}
	}
	for i := range cells {
		worst = max(worst, cells[i]/counts[i])
	}
	return mean / float64(size.X*size.Y), worst
}

func pixelDifference(a, b []uint8, background float64) (sum float64) {
	over := func(p []uint8, i int) float64 {
		alpha := float64(p[3]) / 255
		return float64(p[i])*alpha + background*(1-alpha)
	}
	for i := range 3 {
		sum += math.Abs(over(a, i) - over(b, i))
	}
	return sum / 3
}
