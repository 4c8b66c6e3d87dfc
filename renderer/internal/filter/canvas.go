package filter

import (
	"math"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// compose draws the upper picture over p, with its top left corner at x, y.
func (p *Picture) compose(upper *Picture, x, y int) {
	p.each(upper, x, y, func(under, over []byte) {
		above, below := uint32(over[3]), uint32(under[3])
		a, b := above*255, below*(255-above)
		whole := a + b
		if whole == 0 {
			clear(under[:4])
			return
		}
		for c := range 3 {
			under[c] = uint8((uint32(over[c])*a + uint32(under[c])*b) / whole) //nolint:gosec // an average of bytes
		}
		under[3] = uint8(whole / 255) //nolint:gosec // 255 × 255 at most
	})
}

// paste replaces p's pixels by the upper picture's pixels, transparent ones too.
func (p *Picture) paste(upper *Picture, x, y int) {
	p.each(upper, x, y, func(under, over []byte) { copy(under, over[:4]) })
}

// each calls do for each pair of overlapping pixels.
func (p *Picture) each(upper *Picture, x, y int, do func(under, over []byte)) {
	p.WithAlpha()
	upper.WithAlpha()
	for row := max(0, -y); row < upper.Height && row+y < p.Height; row++ {
		under, over := p.row(row+y), upper.row(row)
		for column := max(0, -x); column < upper.Width && column+x < p.Width; column++ {
			do(under[4*(column+x):], over[4*column:])
		}
	}
}

// mean returns the average colour.
func (p *Picture) mean() [4]uint8 {
	var sum [3]uint64
	for i := 0; i+2 < len(p.Pix); i += p.Bands {
		for c := range sum {
			sum[c] += uint64(p.Pix[i+c])
		}
	}
	n := uint64(p.Width * p.Height)                                               //nolint:gosec // above 0
	return [4]uint8{uint8(sum[0] / n), uint8(sum[1] / n), uint8(sum[2] / n), 255} //nolint:gosec // averages of bytes
}

func (p *Picture) ground(o thumbnail.Operation) [4]uint8 {
	if o.Word == "auto" {
		return p.mean()
	}
	return colourOf(o)
}

// background draws the colour below transparent parts.
func background(p *Picture, o thumbnail.Operation, _ Env) error {
	canvas := New(p.Width, p.Height, p.ground(o))
	canvas.compose(p, 0, 0)
	*p = *canvas
	return nil
}

// groundOf returns the picture that fill draws on: one colour, or p blurred and stretched.
func (p *Picture) groundOf(o thumbnail.Operation, width, height int, env Env) (*Picture, error) {
	if o.Word != "blur" {
		return New(width, height, p.ground(o)), nil
	}
	soft := p.Clone()
	if err := blurred(soft, fillRadius, fillRadius, env); err != nil {
		return nil, err
	}
	return env.Resize(soft, width, height)
}

// onCanvas puts the picture on a canvas of one colour.
func onCanvas(p *Picture, o thumbnail.Operation, env Env) error {
	c := env.Canvas
	if c.Right-c.Left <= p.Width && c.Bottom-c.Top <= p.Height {
		return nil
	}
	if err := env.room(c.Right-c.Left, c.Bottom-c.Top); err != nil {
		return err
	}
	canvas := New(c.Right-c.Left, c.Bottom-c.Top, colourOf(o))
	canvas.paste(p, -c.Left, -c.Top)
	*p = *canvas
	return nil
}

// fillRadius is the radius of the blur of fill's ground.
const fillRadius = 50

// fill puts the picture in the middle of a ground with the requested size.
func fill(p *Picture, o thumbnail.Operation, env Env) error {
	width, height := env.BoxWidth, env.BoxHeight
	if width == 0 {
		width = p.Width
	}
	if height == 0 {
		height = p.Height
	}
	if err := env.room(width, height); err != nil {
		return err
	}
	canvas, err := p.groundOf(o, width, height, env)
	if err != nil {
		return err
	}
	x, y := (width-p.Width)>>1, (height-p.Height)>>1 // a shift rounds down below zero too
	if o.On {
		canvas.compose(p, x, y)
	} else {
		canvas.paste(p, x, y)
	}
	*p = *canvas
	return nil
}

// roundCorners covers the area outside the corners' ellipses with the colour, or makes it transparent.
func roundCorners(p *Picture, o thumbnail.Operation, _ Env) error {
	across, down := min(int(o.Args[0]), p.Width/2), min(int(o.Args[1]), p.Height/2)
	if o.On {
		p.WithAlpha()
	}
	c := colourOf(o)
	for y := range down {
		for x := range across {
			covered := outside(x, y, across, down)
			if covered == 0 {
				continue
			}
			for _, at := range [4][2]int{{x, y}, {p.Width - 1 - x, y}, {x, p.Height - 1 - y}, {p.Width - 1 - x, p.Height - 1 - y}} {
				pixel := p.Pix[(at[1]*p.Width+at[0])*p.Bands:]
				for i := range 3 {
					pixel[i] = uint8(math.Round(float64(pixel[i])*(1-covered) + float64(c[i])*covered))
				}
				if o.On {
					pixel[3] = uint8(math.Round(float64(pixel[3]) * (1 - covered)))
				}
			}
		}
	}
	return nil
}

// outside returns the share of a pixel outside an ellipse whose bounding box touches the top left corner. It takes
// sixteen samples.
func outside(x, y, across, down int) float64 {
	const side = 4
	n := 0
	for j := range side {
		for i := range side {
			dx := 1 - (float64(x)+(float64(i)+.5)/side)/float64(across)
			dy := 1 - (float64(y)+(float64(j)+.5)/side)/float64(down)
			if dx*dx+dy*dy > 1 {
				n++
			}
		}
	}
	return float64(n) / (side * side)
}

// redder is the least ratio of an eye's red to its mean of green and blue; reddest is the least red of an eye. Both
// numbers are Thumbor's.
const (
	redder  = 2
	reddest = 60
)

// redEyes removes the red from red spots within faces. A face's lips are redder than its skin, but are not a spot: an
// eye is at most a sixth of the face wide, and about as high as wide.
func redEyes(p *Picture, _ thumbnail.Operation, env Env) error {
	for _, face := range env.Faces {
		face = Area{max(face.Left, 0), max(face.Top, 0), min(face.Right, p.Width), min(face.Bottom, p.Height)}
		if face.Right > face.Left && face.Bottom > face.Top {
			p.calm(face)
		}
	}
	return nil
}

func (p *Picture) calm(face Area) {
	width, height := face.Right-face.Left, face.Bottom-face.Top
	red := make([]bool, width*height) // and not in a spot yet
	for at := range red {
		pixel := p.Pix[((face.Top+at/width)*p.Width+face.Left+at%width)*p.Bands:]
		red[at] = int(pixel[0]) > reddest && int(pixel[0]) > redder*(int(pixel[1])+int(pixel[2]))/2
	}
	for start := range red {
		spot := gather(red, width, start)
		if !roundish(spot, width) {
			continue
		}
		for _, i := range spot {
			at := int(i)
			pixel := p.Pix[((face.Top+at/width)*p.Width+face.Left+at%width)*p.Bands:]
			grey := clamp((int(pixel[1]) + int(pixel[2])) / 2)
			pixel[0], pixel[1], pixel[2] = grey, grey, grey
		}
	}
}

// gather returns the red pixels connected with the first, and clears them in red.
func gather(red []bool, width, first int) (spot []int32) {
	take := func(at int) {
		if red[at] {
			red[at] = false
			spot = append(spot, int32(at)) //nolint:gosec // within a picture
		}
	}
	take(first)
	for i := 0; i < len(spot); i++ {
		at := int(spot[i])
		if at%width > 0 {
			take(at - 1)
		}
		if at%width < width-1 {
			take(at + 1)
		}
		if at >= width {
			take(at - width)
		}
		if at+width < len(red) {
			take(at + width)
		}
	}
	return spot
}

// roundish reports whether a spot could be an eye in a face of the given width.
func roundish(spot []int32, width int) bool {
	if len(spot) < 4 {
		return false
	}
	box := Area{width, 1 << 30, 0, 0}
	for _, i := range spot {
		x, y := int(i)%width, int(i)/width
		box = Area{min(box.Left, x), min(box.Top, y), max(box.Right, x+1), max(box.Bottom, y+1)}
	}
	w, h := box.Right-box.Left, box.Bottom-box.Top
	return w <= 2*h && h <= 2*w && 6*w <= width && 2*len(spot) >= w*h
}
