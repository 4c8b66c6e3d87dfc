// Package plot draws lines as SVG, for pages of reports and plans.
package plot

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// Point is a value at a place.
type Point struct{ X, Y float64 }

// Line is a line with a name. A NaN value is a gap.
type Line struct {
	Name   string
	Colour string // of CSS; "" for a colour that differs from its neighbours'
	Points []Point
}

// Tick is a place of the x axis with its text.
type Tick struct {
	At   float64
	Text string
}

// Plot has lines over an axis. The y axis starts at 0, or is logarithmic.
type Plot struct {
	Title, X, Y string
	Lines       []Line
	Log         bool
	XTicks      []Tick // nil for round numbers
	Whole       bool   // x counts whole things
}

// CSS is the style that pages with plots need. A phone gets a narrow drawing, with letters of the same size.
const CSS = `.plot { margin: 1.5rem 0 }
.plot svg { width: 100%; height: auto; display: block }
.plot .narrow { display: none }
.plot figcaption { font-weight: 600 }
.plot ul { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .2rem 0; padding: 0; font-size: .85rem }
.plot li::before { content: ""; display: inline-block; width: 1rem; height: .2rem; margin-right: .4rem; vertical-align: middle; background: var(--c) }
@media (max-width: 40rem) { .plot .narrow { display: block } .plot .wide { display: none } }`

// frame is the size of a drawing, with its margins.
type frame struct {
	class                    string
	width, height            float64
	left, right, top, bottom float64
	ticks                    int // at most, of the x axis
}

func frames() []frame {
	return []frame{{"wide", 1040, 300, 58, 14, 22, 38, 10}, {"narrow", 360, 240, 50, 10, 22, 38, 5}}
}

const (
	yTicks           = 6
	degreesPerColour = 137 // the golden angle: consecutive colours differ
)

// HTML returns the plot as a figure: a legend, and a drawing for each of wide and narrow screens.
func (p Plot) HTML() template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<figure class="plot"><figcaption>%s</figcaption><ul>`, html.EscapeString(p.Title))
	for i, l := range p.Lines {
		fmt.Fprintf(&b, `<li style="--c: %s">%s</li>`, l.colour(i), html.EscapeString(l.Name))
	}
	b.WriteString(`</ul>`)
	for _, f := range frames() {
		p.draw(&b, f)
	}
	b.WriteString(`</figure>`)
	return template.HTML(b.String()) //nolint:gosec // texts are escaped
}

func (l Line) colour(i int) string {
	if l.Colour != "" {
		return l.Colour
	}
	return fmt.Sprintf("hsl(%d 65%% 50%%)", (210+i*degreesPerColour)%360)
}

// scale maps values to places of a drawing.
type scale struct {
	low, high, from, to float64
	log                 bool
}

func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		low, high, v = math.Log10(low), math.Log10(high), math.Log10(max(v, s.low))
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

func (p Plot) draw(b *strings.Builder, f frame) {
	x, y, xTicks, yTicks := p.scales(f)
	fmt.Fprintf(b, `<svg class="%s" viewBox="0 0 %g %g" role="img" aria-label="%s" font-size="12" fill="currentColor">`, f.class, f.width, f.height, html.EscapeString(p.Title))
	for _, t := range yTicks {
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="currentColor" opacity=".15"/>`, f.left, f.width-f.right, y.at(t), y.at(t))
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, f.left-6, y.at(t)+4, number(t))
	}
	for _, t := range xTicks {
		fmt.Fprintf(b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="currentColor" opacity=".4"/>`, x.at(t.At), x.at(t.At), f.height-f.bottom, f.height-f.bottom+4)
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x.at(t.At), f.height-f.bottom+17, html.EscapeString(t.Text))
	}
	fmt.Fprintf(b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`, (f.left+f.width-f.right)/2, f.height-5, html.EscapeString(p.X))
	fmt.Fprintf(b, `<text x="%g" y="%g">%s</text>`, 4.0, f.top-9, html.EscapeString(p.Y))
	for i, l := range p.Lines {
		l.draw(b, x, y, l.colour(i))
	}
	b.WriteString(`</svg>`)
}

// draw draws the stretches of a line between its gaps.
func (l Line) draw(b *strings.Builder, x, y scale, colour string) {
	var points strings.Builder
	flush := func() {
		if points.Len() > 0 {
			fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.6" stroke-linecap="round"/>`, points.String(), colour)
			points.Reset()
		}
	}
	for _, at := range l.Points {
		if math.IsNaN(at.Y) {
			flush()
			continue
		}
		fmt.Fprintf(&points, "%.1f,%.1f ", x.at(at.X), y.at(at.Y))
	}
	flush()
}

// scales returns both scales, and the places of their ticks.
func (p Plot) scales(f frame) (x, y scale, xTicks []Tick, yAt []float64) {
	x0, x1, y0, y1 := p.bounds()
	y = scale{0, y1 * 1.05, f.height - f.bottom, f.top, false}
	if p.Log {
		y.log, y.low, y.high = true, math.Pow(10, math.Floor(math.Log10(y0))), math.Pow(10, math.Ceil(math.Log10(y1)))
		if y.low == y.high {
			y.high *= 10
		}
		for t := y.low; t <= y.high*1.001; t *= 10 {
			yAt = append(yAt, t)
		}
	} else {
		yAt = round(y.low, y.high, yTicks)
	}
	x = scale{x0, x1, f.left, f.width - f.right, false}
	for _, t := range p.XTicks {
		if t.At <= x1*1.001 {
			xTicks = append(xTicks, t)
		}
	}
	if p.XTicks == nil {
		n := f.ticks
		if p.Whole {
			n = max(1, min(n, int(x1-x0)))
		}
		for _, t := range round(x0, x1, n) {
			xTicks = append(xTicks, Tick{t, number(t)})
		}
	}
	return x, y, xTicks, yAt
}

// bounds returns the least and the largest values; y0 is the least above 0.
func (p Plot) bounds() (x0, x1, y0, y1 float64) {
	x0, x1, y0 = math.Inf(1), math.Inf(-1), math.Inf(1)
	for _, l := range p.Lines {
		for _, at := range l.Points {
			x0, x1 = min(x0, at.X), max(x1, at.X)
			if !math.IsNaN(at.Y) {
				y1 = max(y1, at.Y)
			}
			if at.Y > 0 {
				y0 = min(y0, at.Y)
			}
		}
	}
	if x0 > x1 {
		x0, x1 = 0, 1
	}
	if x0 == x1 {
		x1 = x0 + 1
	}
	if y1 <= 0 {
		y0, y1 = 1, 1
	}
	return x0, x1, y0, y1
}

// round returns at most n round numbers from low to high, with steps of 1, 2 or 5 times a power of ten.
func round(low, high float64, n int) (all []float64) {
	raw := (high - low) / float64(n)
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * power
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= raw {
			step = factor * power
			break
		}
	}
	for i := math.Ceil(low/step-1e-9) + 0; i*step <= high*(1+1e-9); i++ {
		all = append(all, i*step)
	}
	return all
}

func number(v float64) string {
	switch {
	case math.Abs(v) < 1e-9:
		return "0"
	case math.Abs(v) >= 1e5:
		return fmt.Sprintf("%gk", math.Round(v/1000))
	}
	return strconv.FormatFloat(v, 'f', -1, 32)
}
