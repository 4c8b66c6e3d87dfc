// Package solid draws STLs, solid bodies of triangles. Light and camera are those that Wikimedia's 3d2png
// used first; its reference thumbnails show them. The camera looks from the left, the front and above, at a
// distance that depends on the body's box, with a field of view of 60 degrees. Only workers of tools call
// this package.
//
// Draw reads the file once for the box and once or more for the picture, so the memory depends on the size
// of the picture and not of the file.
package solid

import (
	"errors"
	"io"
	"math"
)

// Picture has RGB pixels of 8 bits per colour, row by row.
type Picture struct {
	Width, Height int
	Pixels        []byte
}

const (
	// samples is the number of samples along each side of a pixel, for smooth edges.
	samples = 2
	// fieldOfView is the camera's vertical field of view in degrees.
	fieldOfView = 60
)

// background and material are 3d2png's colours in sRGB.
var (
	background = vector{0x22, 0x22, 0x22}
	material   = vector{0xf8, 0xf9, 0xfa}
)

// Draw reads an STL, text or binary, and returns a picture of width × height pixels. It returns an error if
// the file cannot be read, or has no triangles or no extent.
func Draw(file io.ReadSeeker, width, height int) (Picture, error) {
	least, most, err := measure(file)
	if err != nil {
		return Picture{}, err
	}
	extent, middle := most.minus(least), most.plus(least).times(0.5)
	if extent.length() == 0 {
		return Picture{}, errors.New("the solid has no extent: all corners are one point")
	}
	var best *canvas
	for _, eye := range eyes(extent) {
		c := newCanvas(width*samples, height*samples, eye)
		err = triangles(file, func(t triangle) {
			for i := range t {
				t[i] = t[i].minus(middle)
			}
			c.draw(t)
		})
		if err != nil {
			return Picture{}, err
		}
		if best == nil || c.covered() > best.covered() {
			best = c
		}
		if best.covered() > leastCovered*float64(len(best.nearness)) {
			break
		}
	}
	return best.picture(width, height), nil
}

// leastCovered is the least share of the picture that a body must cover; Draw tries another eye below it.
const leastCovered = 0.002

// eyes returns positions of the camera, relative to the body's middle; at each position the body fits into
// the picture. The first is 3d2png's position. The others show a flat body whose edge points to the first.
func eyes(extent vector) []vector {
	half, far := max(extent[0], extent[1], extent[2])/2, extent.length()
	return []vector{
		{-extent[0], -extent[1], extent[2]},
		{-max(extent[0], half), -max(extent[1], half), max(extent[2], half)},
		vector{-0.3, -1, 0.6}.unit().times(far),
		vector{-1, -0.3, 0.9}.unit().times(far),
	}
}

// covered returns the number of samples that the body covers.
func (c *canvas) covered() (n float64) {
	for _, near := range c.nearness {
		if near > 0 {
			n++
		}
	}
	return n
}

// measure returns the two opposite corners of the body's box, or an error if the body has no triangles.
func measure(file io.ReadSeeker) (least, most vector, err error) {
	least, most = vector{math.Inf(1), math.Inf(1), math.Inf(1)}, vector{math.Inf(-1), math.Inf(-1), math.Inf(-1)}
	err = triangles(file, func(t triangle) {
		for _, v := range t {
			for axis := range v {
				least[axis], most[axis] = min(least[axis], v[axis]), max(most[axis], v[axis])
			}
		}
	})
	if err == nil && least[0] > most[0] {
		err = errors.New("the solid has no triangles")
	}
	return least, most, err
}

// canvas has the camera, and the nearness and the light of the nearest surface at each sample.
type canvas struct {
	width, height      int
	eye                vector
	right, up, forward vector
	focal              float64 // samples per unit of slope
	nearness           []float32
	light              []float32
}

func newCanvas(width, height int, eye vector) *canvas {
	forward := eye.times(-1).unit()
	right := forward.cross(vector{0, 0, 1}).unit()
	if math.IsNaN(right[0]) { // the camera looks straight down at a body without width and depth
		right = vector{1, 0, 0}
	}
	return &canvas{
		width: width, height: height, eye: eye, right: right, up: right.cross(forward), forward: forward,
		focal:    float64(height) / 2 / math.Tan(fieldOfView/2*math.Pi/180),
		nearness: make([]float32, width*height), light: make([]float32, width*height),
	}
}

// see returns a point in the camera's frame: to the right, up, and away from the camera.
func (c *canvas) see(v vector) vector {
	d := v.minus(c.eye)
	return vector{d.dot(c.right), d.dot(c.up), d.dot(c.forward)}
}

// shade returns the light of a surface, from all sides, from above and from the camera.
func shade(normal, toCamera vector) float64 {
	if normal.dot(toCamera) < 0 {
		normal = normal.times(-1) // many bodies are inside out
	}
	return 0.4 + 0.6*max(0, normal[2]) + 0.4*max(0, normal.dot(toCamera))
}

// draw fills the samples that the triangle covers, except for samples with a nearer surface.
func (c *canvas) draw(t triangle) {
	var seen, on triangle
	for i, v := range t {
		seen[i] = c.see(v)
		if seen[i][2] <= 0 {
			return // the corner is behind the camera: only rounding does this, because the camera is outside of the body
		}
		on[i] = vector{
			float64(c.width)/2 + seen[i][0]/seen[i][2]*c.focal,
			float64(c.height)/2 - seen[i][1]/seen[i][2]*c.focal,
			1 / seen[i][2],
		}
	}
	light := float32(shade(t[1].minus(t[0]).cross(t[2].minus(t[0])).unit(), c.eye.minus(t[0]).unit()))
	area := edge(on[0], on[1], on[2])
	if area == 0 || math.IsNaN(area) || math.IsNaN(float64(light)) {
		return
	}
	left, right := span(on[0][0], on[1][0], on[2][0], c.width)
	top, bottom := span(on[0][1], on[1][1], on[2][1], c.height)
	for y := top; y < bottom; y++ {
		for x := left; x < right; x++ {
			p := vector{float64(x) + 0.5, float64(y) + 0.5}
			a, b, d := edge(on[1], on[2], p)/area, edge(on[2], on[0], p)/area, edge(on[0], on[1], p)/area
			if a < 0 || b < 0 || d < 0 {
				continue
			}
			near := float32(a*on[0][2] + b*on[1][2] + d*on[2][2])
			if i := y*c.width + x; near > c.nearness[i] {
				c.nearness[i], c.light[i] = near, light
			}
		}
	}
}

// edge returns twice the area of the triangle a, b, p. The sign tells on which side of the edge p lies.
func edge(a, b, p vector) float64 { return (b[0]-a[0])*(p[1]-a[1]) - (b[1]-a[1])*(p[0]-a[0]) }

// span returns the range of samples that three coordinates cover, within the canvas.
func span(a, b, c float64, limit int) (from, to int) {
	return int(max(0, math.Floor(min(a, b, c)))), int(min(float64(limit), math.Ceil(max(a, b, c))))
}

// picture returns the picture; each pixel is the average of its samples.
func (c *canvas) picture(width, height int) Picture {
	p := Picture{Width: width, Height: height, Pixels: make([]byte, 0, width*height*3)}
	for y := range height {
		for x := range width {
			var sum vector
			for i := range samples * samples {
				at := (y*samples+i/samples)*c.width + x*samples + i%samples
				if c.nearness[at] == 0 {
					sum = sum.plus(background)
				} else {
					sum = sum.plus(material.times(float64(c.light[at])))
				}
			}
			for _, v := range sum {
				p.Pixels = append(p.Pixels, byte(min(255, v/(samples*samples)+0.5)))
			}
		}
	}
	return p
}
