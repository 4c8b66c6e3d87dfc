package filter

import (
	"math"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// wideBlur is the radius from which blur works on a smaller copy: the result has no detail that the copy lacks,
	// and the cost stops growing.
	wideBlur = 12
	// copyRadius is the radius on that copy.
	copyRadius = 8
)

// blur convolves rows, then columns, with a Gaussian that is cut off at the radius.
func blur(p *Picture, o thumbnail.Operation, env Env) error {
	return blurred(p, int(o.Args[0]), o.Args[1], env)
}

func blurred(p *Picture, radius int, sigma float64, env Env) error {
	if radius < wideBlur {
		separable(p, gaussian(radius, sigma))
		return nil
	}
	shrink := float64(radius) / copyRadius
	small, err := env.Resize(p, max(1, int(float64(p.Width)/shrink)), max(1, int(float64(p.Height)/shrink)))
	if err != nil {
		return err
	}
	separable(small, gaussian(copyRadius, sigma/shrink))
	large, err := env.Resize(small, p.Width, p.Height)
	if err == nil {
		*p = *large
	}
	return err
}

// gaussian returns 2*radius+1 weights with the sum 1<<16.
func gaussian(radius int, sigma float64) []int32 {
	exact := make([]float64, 2*radius+1)
	sum := 0.0
	for i := range exact {
		x := float64(i - radius)
		exact[i] = math.Exp(-x * x / max(2*sigma*sigma, 1e-9))
		sum += exact[i]
	}
	weights := make([]int32, len(exact))
	left := int32(1 << 16)
	for i, v := range exact {
		weights[i] = int32(v / sum * (1 << 16))
		left -= weights[i]
	}
	weights[radius] += left
	return weights
}

// separable convolves rows, then columns. It repeats the pixels of an edge beyond that edge.
func separable(p *Picture, weights []int32) {
	radius, stride := len(weights)/2, p.Width*p.Bands
	wide, sums := make([]byte, stride+2*radius*p.Bands), make([]int32, stride)
	for y := range p.Height {
		row := p.row(y)
		extend(wide, row, radius, p.Bands)
		clear(sums)
		for i, w := range weights {
			add(sums, wide[i*p.Bands:], w)
		}
		narrow(row, sums)
	}
	source := append([]byte(nil), p.Pix...)
	for y := range p.Height {
		clear(sums)
		for i, w := range weights {
			from := min(max(y+i-radius, 0), p.Height-1)
			add(sums, source[from*stride:], w)
		}
		narrow(p.row(y), sums)
	}
}

func extend(wide, row []byte, radius, bands int) {
	margin := radius * bands
	copy(wide[margin:], row)
	for i := 0; i < margin; i += bands {
		copy(wide[i:], row[:bands])
		copy(wide[margin+len(row)+i:], row[len(row)-bands:])
	}
}

func add(sums []int32, values []byte, weight int32) {
	values = values[:len(sums)]
	for i, v := range values {
		sums[i] += int32(v) * weight
	}
}

func narrow(row []byte, sums []int32) {
	for i, s := range sums {
		row[i] = uint8(s >> 16) //nolint:gosec // the weights sum up to 1<<16
	}
}

// convolve applies any matrix; On divides the weights by their sum.
func convolve(p *Picture, o thumbnail.Operation, _ Env) error {
	weights, columns := append([]float64(nil), o.Args...), o.Columns
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	if o.On && sum != 0 {
		for i := range weights {
			weights[i] /= sum
		}
	}
	source := p.Clone()
	rows := len(weights) / columns
	sums := make([]float64, p.Width*p.Bands)
	wide := make([]byte, len(sums)+2*(columns/2)*p.Bands)
	for y := range p.Height {
		clear(sums)
		for j := range rows {
			extend(wide, source.row(min(max(y+j-rows/2, 0), p.Height-1)), columns/2, p.Bands)
			for i, w := range weights[j*columns : (j+1)*columns] {
				for x, v := range wide[i*p.Bands:][:len(sums)] {
					sums[x] += float64(v) * w
				}
			}
		}
		for x, s := range sums {
			p.row(y)[x] = uint8(min(max(s, 0), 255))
		}
	}
	return nil
}

// pixelate fills squares with their mean colours. The squares begin at the top left corner; those at the other sides are cut off.
func pixelate(p *Picture, o thumbnail.Operation, _ Env) error {
	side := int(min(o.Args[0], maxSide))
	for top := 0; side > 1 && top < p.Height; top += side {
		for left := 0; left < p.Width; left += side {
			p.level(left, top, min(left+side, p.Width), min(top+side, p.Height))
		}
	}
	return nil
}

// level fills a part with its mean colour. A pixel's colour counts as much as its alpha.
func (p *Picture) level(left, top, right, bottom int) {
	var sum [4]uint64
	weights := uint64(0)
	for y := top; y < bottom; y++ {
		row := p.row(y)[left*p.Bands : right*p.Bands]
		for ; len(row) > 0; row = row[p.Bands:] {
			weight := uint64(255)
			if p.Bands == 4 {
				weight = uint64(row[3])
			}
			weights += weight
			for c := range 3 {
				sum[c] += weight * uint64(row[c])
			}
		}
	}
	for c := range 3 {
		sum[c] = (sum[c] + weights/2) / max(1, weights)
	}
	pixels := uint64((right - left) * (bottom - top)) //nolint:gosec // above 0
	sum[3] = (weights + pixels/2) / pixels
	for y := top; y < bottom; y++ {
		row := p.row(y)[left*p.Bands : right*p.Bands]
		for ; len(row) > 0; row = row[p.Bands:] {
			for c := range p.Bands {
				row[c] = uint8(sum[c]) //nolint:gosec // means of bytes
			}
		}
	}
}
