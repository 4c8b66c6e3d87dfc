package placeholder

import (
	"fmt"
	"image"
	"slices"
)

const (
	mostDominant = 5
	// leastShare is the least share of the opaque pixels that each dominant colour but the first has.
	leastShare = 0.02
	// apart is the least distance between two dominant colours, the sum over the channels, of 3 × 255.
	apart = 96
)

// heap is a set of pixels of similar colours. A pixel counts as much as its alpha.
type heap struct{ red, green, blue, weight int }

func (h *heap) add(pixel []uint8) {
	alpha := int(pixel[3])
	h.red, h.green, h.blue, h.weight = h.red+alpha*int(pixel[0]), h.green+alpha*int(pixel[1]), h.blue+alpha*int(pixel[2]), h.weight+alpha
}

// mean returns the mean colour.
func (h *heap) mean() [3]int {
	if h.weight == 0 {
		return [3]int{}
	}
	round := func(sum int) int { return (sum + h.weight/2) / h.weight }
	return [3]int{round(h.red), round(h.green), round(h.blue)}
}

// colours returns the mean of all pixels, and the dominant colours. The pixels fall into 512 heaps, eight for each channel;
// the mean colours of the largest heaps dominate, if they differ enough from each other. A picture without an opaque pixel
// has the mean #000000 and no dominant colour.
func colours(p *image.NRGBA) (average string, dominant []string) {
	var all heap
	heaps := make([]heap, 512)
	for i := 0; i < len(p.Pix); i += 4 {
		pixel := p.Pix[i : i+4]
		all.add(pixel)
		heaps[int(pixel[0]>>5)<<6|int(pixel[1]>>5)<<3|int(pixel[2]>>5)].add(pixel)
	}
	slices.SortStableFunc(heaps, func(a, b heap) int { return b.weight - a.weight })
	var chosen [][3]int
	for _, h := range heaps {
		rare := len(chosen) > 0 && float64(h.weight) < leastShare*float64(all.weight)
		if rare || len(chosen) == mostDominant || h.weight == 0 {
			break
		}
		mean := h.mean()
		if !slices.ContainsFunc(chosen, func(other [3]int) bool { return distance(mean, other) < apart }) {
			chosen = append(chosen, mean)
			dominant = append(dominant, hexadecimal(mean))
		}
	}
	return hexadecimal(all.mean()), dominant
}

func distance(a, b [3]int) (sum int) {
	for i := range a {
		sum += max(a[i]-b[i], b[i]-a[i])
	}
	return sum
}

func hexadecimal(c [3]int) string { return fmt.Sprintf("#%02x%02x%02x", c[0], c[1], c[2]) }
