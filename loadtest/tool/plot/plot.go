// Package plot draws lines as SVG, for pages of reports and plans.
package plot

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// Point is a value at a place.
type Point struct{ X, Y float64 }

// Line is a line with a name.
type Line struct {
	Name   string
	Points []Point
}

// Plot has lines over an axis. The y axis starts at 0.
type Plot struct {
	Title, X, Y string
	Lines       []Line
}

const (
	width, height    = 860.0, 300.0
	left, bottom     = 60.0, 40.0
	top, right       = 30.0, 190.0
	ticks            = 5
	colourOf         = "hsl(%d 65%% 50%%)"
	degreesPerColour = 137 // the golden angle: consecutive colours differ
)

// SVG returns the plot as SVG.
func (p Plot) SVG() template.HTML {
	x0, x1, y1 := p.bounds()
	toX := func(x float64) float64 { return left + (x-x0)/(x1-x0)*(width-left-right) }
	toY := func(y float64) float64 { return height - bottom - y/y1*(height-bottom-top) }
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s" font-size="12" fill="currentColor">`, width, height, html.EscapeString(p.Title))
	fmt.Fprintf(&b, `<text x="%g" y="18" font-size="14">%s</text>`, left, html.EscapeString(p.Title))
	for i := range ticks + 1 {
		share := float64(i) / ticks
		x, y := x0+share*(x1-x0), share*y1
		fmt.Fprintf(&b, `<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="currentColor" opacity=".15"/>`, left, width-right, toY(y), toY(y))
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, left-6, toY(y)+4, number(y))
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, toX(x), height-bottom+16, number(x))
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`, (left+width-right)/2, height-6, html.EscapeString(p.X))
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="end">%s</text>`, left-6, top-8, html.EscapeString(p.Y))
	for i, l := range p.Lines {
		colour := fmt.Sprintf(colourOf, (210+i*degreesPerColour)%360)
		var points strings.Builder
		for _, at := range l.Points {
			fmt.Fprintf(&points, "%.1f,%.1f ", toX(at.X), toY(at.Y))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.6"/>`, points.String(), colour)
		fmt.Fprintf(&b, `<text x="%g" y="%g" fill="%s">%s</text>`, width-right+10, top+16*float64(i), colour, html.EscapeString(l.Name))
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}

func (p Plot) bounds() (x0, x1, y1 float64) {
	x0, x1 = math.Inf(1), math.Inf(-1)
	for _, l := range p.Lines {
		for _, at := range l.Points {
			x0, x1, y1 = min(x0, at.X), max(x1, at.X), max(y1, at.Y)
		}
	}
	if x0 > x1 {
		x0, x1 = 0, 1
	}
	if x0 == x1 {
		x1 = x0 + 1
	}
	if y1 <= 0 {
		y1 = 1
	}
	return x0, x1, y1 * 1.05
}

func number(v float64) string {
	switch {
	case v == 0:
		return "0"
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}
