package filter

import (
	"encoding/hex"
	"math"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// tables maps the old values of each channel to the new values.
type tables [3][256]uint8

// stage changes each pixel of a row on its own.
type stage func(row []byte, bands int)

// maker makes an operation's tables or its stage.
type maker struct {
	tables func(thumbnail.Operation) *tables
	stage  func(thumbnail.Operation) stage
}

// stages are the filters that read one pixel at a time.
var stages = map[thumbnail.Step]maker{
	thumbnail.StepBrightness: {tables: brightness},
	thumbnail.StepContrast:   {tables: contrast},
	thumbnail.StepRGB:        {tables: rgb},
	thumbnail.StepColorize:   {tables: colorize},
	thumbnail.StepCurve:      {tables: curves},
	thumbnail.StepGrayscale:  {stage: grayscale},
	thumbnail.StepSaturation: {stage: saturation},
	thumbnail.StepNoise:      {stage: noise},
}

// pass applies the operations row by row.
func pass(p *Picture, operations []thumbnail.Operation) {
	if len(operations) == 0 {
		return
	}
	all := compile(operations)
	for y := range p.Height {
		row := p.row(y)
		for _, s := range all {
			s(row, p.Bands)
		}
	}
}

// compile returns the stages of the operations. It merges neighbouring tables.
func compile(operations []thumbnail.Operation) (all []stage) {
	var merged *tables
	flush := func() {
		if merged != nil {
			all = append(all, merged.look)
			merged = nil
		}
	}
	for _, o := range operations {
		m := stages[o.Name]
		if m.stage != nil {
			flush()
			all = append(all, m.stage(o))
			continue
		}
		next := m.tables(o)
		if merged != nil {
			next = merged.then(next)
		}
		merged = next
	}
	flush()
	return all
}

func (t *tables) then(next *tables) *tables {
	var out tables
	for c := range out {
		for v := range out[c] {
			out[c][v] = next[c][t[c][v]]
		}
	}
	return &out
}

func (t *tables) look(row []byte, bands int) {
	for i := 0; i+2 < len(row); i += bands {
		row[i], row[i+1], row[i+2] = t[0][row[i]], t[1][row[i+1]], t[2][row[i+2]]
	}
}

// tabulate returns the tables of a function of channel and value.
func tabulate(f func(channel, value int) int) *tables {
	var t tables
	for c := range t {
		for v := range t[c] {
			t[c][v] = clamp(f(c, v))
		}
	}
	return &t
}

func clamp(v int) uint8 { return uint8(min(max(v, 0), 255)) }

func brightness(o thumbnail.Operation) *tables {
	delta := 255 * int(o.Args[0]) / 100
	return tabulate(func(_, v int) int { return v + delta })
}

func rgb(o thumbnail.Operation) *tables {
	return tabulate(func(c, v int) int { return v + 255*int(o.Args[c])/100 })
}

// contrast scales around the middle of the range; the factor is the square of the percentage.
func contrast(o thumbnail.Operation) *tables {
	factor := int(o.Args[0]) + 100
	factor = factor * factor / 100
	return tabulate(func(_, v int) int { return factor*(v-128)/100 + 128 })
}

func colorize(o thumbnail.Operation) *tables {
	to := colourOf(o)
	return tabulate(func(c, v int) int {
		return int((float64(v)*(100-o.Args[c]) + float64(to[c])*o.Args[c]) / 100)
	})
}

// colourOf reads an operation's rrggbbaa; other text gives transparent black.
func colourOf(o thumbnail.Operation) (c [4]uint8) {
	if b, err := hex.DecodeString(o.Color); err == nil {
		copy(c[:], b)
	}
	return c
}

// curves applies their own curves to red, green and blue, then the first curve to all.
func curves(o thumbnail.Operation) *tables {
	all := spline(o.Curves[0])
	var own tables
	for c := range own {
		own[c] = spline(o.Curves[c+1])
	}
	return own.then(&tables{all, all, all})
}

// spline tabulates a natural cubic spline through points with rising inputs; it is level before the first and after
// the last point. (Numerical Recipes, 3.3: the second derivatives are zero at both ends.)
func spline(points []thumbnail.Point) (out [256]uint8) {
	bend := secondDerivatives(points)
	for v := range out {
		out[v] = at(points, bend, v)
	}
	return out
}

func at(points []thumbnail.Point, bend []float64, v int) uint8 {
	first, last := points[0], points[len(points)-1]
	if v <= int(first.X) {
		return first.Y
	}
	if v >= int(last.X) {
		return last.Y
	}
	i := 0
	for int(points[i+1].X) <= v {
		i++
	}
	p, q := points[i], points[i+1]
	h := float64(q.X) - float64(p.X)
	b := (float64(v) - float64(p.X)) / h
	a := 1 - b
	y := a*float64(p.Y) + b*float64(q.Y) + ((a*a*a-a)*bend[i]+(b*b*b-b)*bend[i+1])*h*h/6
	return clamp(int(math.Round(y)))
}

// secondDerivatives solves a tridiagonal system by elimination.
func secondDerivatives(p []thumbnail.Point) []float64 {
	n := len(p)
	bend, rest := make([]float64, n), make([]float64, n)
	for i := 1; i < n-1; i++ {
		before, after := float64(p[i].X)-float64(p[i-1].X), float64(p[i+1].X)-float64(p[i].X)
		ratio := before / (before + after)
		pivot := ratio*bend[i-1] + 2
		bend[i] = (ratio - 1) / pivot
		slopes := (float64(p[i+1].Y)-float64(p[i].Y))/after - (float64(p[i].Y)-float64(p[i-1].Y))/before
		rest[i] = (6*slopes/(before+after) - ratio*rest[i-1]) / pivot
	}
	if n > 0 {
		bend[n-1] = 0
	}
	for i := n - 2; i >= 0; i-- {
		bend[i] = bend[i]*bend[i+1] + rest[i]
	}
	return bend
}

// grayscale returns a stage that computes the luma of ITU-R 601-2, as Pillow does.
func grayscale(thumbnail.Operation) stage {
	return func(row []byte, bands int) {
		for i := 0; i+2 < len(row); i += bands {
			luma := uint8((uint32(row[i])*19595 + uint32(row[i+1])*38470 + uint32(row[i+2])*7471 + 0x8000) >> 16) //nolint:gosec // the weights sum up to 1<<16
			row[i], row[i+1], row[i+2] = luma, luma, luma
		}
	}
}

// saturation returns a stage that moves each colour from or to the grey of its perceived brightness, HSP
// (alienryderflex.com/saturation.html).
func saturation(o thumbnail.Operation) stage {
	factor := o.Args[0]
	return func(row []byte, bands int) {
		for i := 0; i+2 < len(row); i += bands {
			r, g, b := float64(row[i]), float64(row[i+1]), float64(row[i+2])
			grey := math.Sqrt(r*r*.299 + g*g*.587 + b*b*.114)
			for c, v := range [3]float64{r, g, b} {
				row[i+c] = uint8(min(max(grey+(v-grey)*factor, 0), 255))
			}
		}
	}
}

// noise returns a stage that adds one random number to all channels of a pixel.
func noise(o thumbnail.Operation) stage {
	amount, numbers := int(o.Args[0]), newRandom(uint32(o.Args[1]))
	return func(row []byte, bands int) {
		for i := 0; i+2 < len(row); i += bands {
			n := int(numbers.next())%amount - amount>>1
			row[i], row[i+1], row[i+2] = clamp(int(row[i])+n), clamp(int(row[i+1])+n), clamp(int(row[i+2])+n)
		}
	}
}

// random is the C library's random(): additive feedback over 31 numbers (its TYPE_3), so that a seed gives Thumbor's
// noise.
type random struct {
	state [31]uint32
	at    int
}

func newRandom(seed uint32) *random {
	r := &random{}
	r.state[0] = seed
	for i := 1; i < len(r.state); i++ { // Lehmer's generator, by Schrage's method
		previous := int64(int32(r.state[i-1])) //nolint:gosec // as the C library's
		n := 16807*(previous%127773) - 2836*(previous/127773)
		if n < 0 {
			n += math.MaxInt32
		}
		r.state[i] = uint32(n) //nolint:gosec // 0 to MaxInt32
	}
	r.at = 0
	for range 310 { // the C library drops as many
		r.next()
	}
	return r
}

func (r *random) next() uint32 {
	r.state[(r.at+3)%31] += r.state[r.at]
	n := r.state[(r.at+3)%31] >> 1
	r.at = (r.at + 1) % 31
	return n
}

// equalize spreads each channel over the whole range, by its cumulative histogram.
func equalize(p *Picture, _ thumbnail.Operation, _ Env) error {
	var histogram [3][256]int
	for i := 0; i+2 < len(p.Pix); i += p.Bands {
		for c := range histogram {
			histogram[c][p.Pix[i+c]]++
		}
	}
	t := spread(histogram, p.Width*p.Height)
	t.look(p.Pix, p.Bands)
	return nil
}

// spread returns the tables of equalize. As in Thumbor, only channels with the darkest value of all channels begin at
// zero.
func spread(histogram [3][256]int, area int) *tables {
	darkest := 0
	for darkest < 255 && histogram[0][darkest]+histogram[1][darkest]+histogram[2][darkest] == 0 {
		darkest++
	}
	var t tables
	for c := range t {
		least := histogram[c][darkest]
		below := 0
		for v, n := range histogram[c] {
			below += n
			if n > 0 && area > least {
				t[c][v] = clamp(int(float32(below-least) / float32(area-least) * 255))
			}
		}
	}
	return &t
}
