package filter

import (
	"math"
	"runtime"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// maxSharpened bounds the pixels of a sharpened picture; each takes sixteen bytes.
const maxSharpened = 25_000_000

// levels is the number of levels of detail: 1, 2, 4, 8 and 16 pixels.
const levels = 5

// sharpen splits a channel into levels of detail with an à trous wavelet (a tent of three pixels, wider at each
// level). It adds the levels up again, and strengthens the levels around the radius (0 is the finest) by the amount.
// On restricts it to luminance: it sharpens the luma, and adds the luma's change to each channel.
func sharpen(p *Picture, o thumbnail.Operation, _ Env) error {
	if p.Width*p.Height > maxSharpened {
		return fault.New(fault.BadURL, "the picture has %d × %d pixels, at most %d pixels can be sharpened: use a smaller size", p.Width, p.Height, maxSharpened)
	}
	runtime.GC() // reuse the memory of an earlier wavelet: little is free
	w := newWavelet(p.Width, p.Height)
	if !o.On {
		for c := range 3 {
			w.load(p, func(pixel []byte) float32 { return float32(pixel[c]) })
			w.strengthen(o.Args[0], o.Args[1])
			w.store(p, func(pixel []byte, v float32) { pixel[c] = toByte(v) })
		}
		return nil
	}
	w.load(p, luma)
	w.strengthen(o.Args[0], o.Args[1])
	w.store(p, func(pixel []byte, v float32) {
		change := v - luma(pixel)
		for c := range 3 {
			pixel[c] = toByte(float32(pixel[c]) + change)
		}
	})
	return nil
}

// luma returns JFIF's luma.
func luma(pixel []byte) float32 {
	return .299*float32(pixel[0]) + .587*float32(pixel[1]) + .114*float32(pixel[2])
}

func toByte(v float32) uint8 { return uint8(min(max(v, 0), 255)) }

// wavelet holds a channel, and the memory for its levels.
type wavelet struct {
	width, height int
	channel       []float32
	smooth, next  []float32
	across        []float32
}

func newWavelet(width, height int) *wavelet {
	room := func() []float32 { return make([]float32, width*height) }
	return &wavelet{width, height, room(), room(), room(), room()}
}

func (w *wavelet) load(p *Picture, value func(pixel []byte) float32) {
	for i := range w.channel {
		w.channel[i] = value(p.Pix[i*p.Bands:])
	}
}

func (w *wavelet) store(p *Picture, set func(pixel []byte, v float32)) {
	for i, v := range w.channel {
		set(p.Pix[i*p.Bands:], v)
	}
}

func (w *wavelet) strengthen(amount, radius float64) {
	copy(w.smooth, w.channel)
	clear(w.channel)
	for level := range levels {
		w.average(1 << level)
		distance := float64(level) - radius
		gain := float32(amount*math.Exp(-distance*distance/1.5) + 1)
		for i, v := range w.smooth {
			w.channel[i] += (v - w.next[i]) * gain
		}
		w.smooth, w.next = w.next, w.smooth
	}
	for i, v := range w.smooth {
		w.channel[i] += v
	}
}

// average computes next from smooth: it averages each pixel with the pixels at the distance, across and down. Edges
// mirror the picture.
func (w *wavelet) average(distance int) {
	for y := range w.height {
		from, to := w.row(w.smooth, y), w.row(w.across, y)
		for x := range to {
			to[x] = (2*from[x] + from[mirrored(x-distance, w.width)] + from[mirrored(x+distance, w.width)]) / 4
		}
	}
	for y := range w.height {
		above, below := w.row(w.across, mirrored(y-distance, w.height)), w.row(w.across, mirrored(y+distance, w.height))
		from, to := w.row(w.across, y), w.row(w.next, y)
		for x := range to {
			to[x] = (2*from[x] + above[x] + below[x]) / 4
		}
	}
}

func (w *wavelet) row(plane []float32, y int) []float32 { return plane[y*w.width : (y+1)*w.width] }

func mirrored(i, n int) int {
	if i < 0 {
		i = -i
	}
	if i >= n {
		i = 2*n - 2 - i
	}
	return min(max(i, 0), n-1)
}
