package placeholder

import (
	"image"
	"math"
)

// thumbHash returns the ThumbHash of a picture (evanw.github.io/thumbhash), at most 25 bytes: the averages and the lowest
// frequencies of luminance, of two differences of colours, and of alpha.
func thumbHash(p *image.NRGBA) []byte {
	c := channelsOf(p)
	w, h := float64(c.width), float64(c.height)
	most := 7.0
	if c.transparent {
		most = 5
	}
	across, down := max(1, round(most*w/max(w, h))), max(1, round(most*h/max(w, h)))
	light := c.waves(c.light, max(3, across), max(3, down))
	yellow, red := c.waves(c.yellow, 3, 3), c.waves(c.red, 3, 3)
	all := []waves{light, yellow, red}
	long := across
	if c.width > c.height {
		long = down
	}
	head := round(63*light.mean) | round(31.5+31.5*yellow.mean)<<6 | round(31.5+31.5*red.mean)<<12 | round(31*light.scale)<<18 | bit(c.transparent)<<23
	tail := long | round(63*yellow.scale)<<3 | round(63*red.scale)<<9 | bit(c.width > c.height)<<15
	hash := []byte{byte(head), byte(head >> 8), byte(head >> 16), byte(tail), byte(tail >> 8)} //nolint:gosec // each takes eight bits
	if c.transparent {
		alpha := c.waves(c.alpha, 5, 5)
		hash = append(hash, byte(round(15*alpha.mean)|round(15*alpha.scale)<<4)) //nolint:gosec // two halves of a byte
		all = append(all, alpha)
	}
	return appendHalves(hash, all)
}

// appendHalves appends the strengths of all waves, half a byte each, the low half first.
func appendHalves(hash []byte, all []waves) []byte {
	low := true
	for _, w := range all {
		for _, strength := range w.strengths {
			half := byte(round(15 * strength)) //nolint:gosec // 0 to 15
			if low {
				hash = append(hash, half)
			} else {
				hash[len(hash)-1] |= half << 4
			}
			low = !low
		}
	}
	return hash
}

// round rounds halves up.
func round(v float64) int { return int(math.Floor(v + 0.5)) }

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// channels holds a picture on its own mean colour, as numbers from 0 to 1, or from -1 to 1.
type channels struct {
	width, height             int
	transparent               bool
	light, yellow, red, alpha []float64 // (r+g+b)/3, (r+g)/2-b, r-g
}

func channelsOf(p *image.NRGBA) channels {
	size := p.Bounds().Size()
	c := channels{width: size.X, height: size.Y}
	var mean [3]float64
	sum := 0.0
	for i := 0; i < len(p.Pix); i += 4 {
		alpha := float64(p.Pix[i+3]) / 255
		sum += alpha
		for k := range mean {
			mean[k] += alpha / 255 * float64(p.Pix[i+k])
		}
	}
	for k := range mean {
		mean[k] /= max(sum, 1e-9)
	}
	c.transparent = sum < float64(size.X*size.Y)
	for i := 0; i < len(p.Pix); i += 4 {
		alpha := float64(p.Pix[i+3]) / 255
		on := func(k int) float64 { return mean[k]*(1-alpha) + alpha/255*float64(p.Pix[i+k]) }
		r, g, b := on(0), on(1), on(2)
		c.light, c.yellow, c.red, c.alpha = append(c.light, (r+g+b)/3), append(c.yellow, (r+g)/2-b), append(c.red, r-g), append(c.alpha, alpha)
	}
	return c
}

// waves is the cosine transform of a channel: its mean, and the strengths of the lowest frequencies, 0.5 ± a share of scale.
type waves struct {
	mean, scale float64
	strengths   []float64
}

// waves transforms a channel. The frequencies fill a triangle of across × down.
func (c channels) waves(channel []float64, across, down int) (w waves) {
	for y := range down {
		for x := 0; x*down < across*(down-y); x++ {
			f := c.wave(channel, x, y)
			if x+y == 0 {
				w.mean = f
				continue
			}
			w.strengths, w.scale = append(w.strengths, f), max(w.scale, math.Abs(f))
		}
	}
	for i := range w.strengths {
		if w.scale > 0 {
			w.strengths[i] = 0.5 + 0.5/w.scale*w.strengths[i]
		}
	}
	return w
}

func (c channels) wave(channel []float64, across, down int) (sum float64) {
	columns := make([]float64, c.width)
	for x := range columns {
		columns[x] = math.Cos(math.Pi / float64(c.width) * float64(across) * (float64(x) + 0.5))
	}
	for y := range c.height {
		row := math.Cos(math.Pi / float64(c.height) * float64(down) * (float64(y) + 0.5))
		for x, column := range columns {
			sum += channel[y*c.width+x] * column * row
		}
	}
	return sum / float64(c.width*c.height)
}
