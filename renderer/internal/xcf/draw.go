package xcf

import (
	"image"
	"image/color"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// Sides of a block, in pixels. A block is composed at once.
const (
	blockWidth  = 1024
	blockHeight = tileSide
)

// block is a part of the canvas during composition.
type block struct {
	area   image.Rectangle
	pixels []pixel
	space  space
	empty  bool // nothing was drawn yet: the next layer is the bottom of its stack
}

func newBlock(r image.Rectangle) *block {
	return &block{area: r, pixels: make([]pixel, r.Dx()*r.Dy()), space: linearLight, empty: true}
}

// row returns the pixels of a row between two columns of the canvas.
func (b *block) row(y, from, to int) []pixel {
	start := (y - b.area.Min.Y) * b.area.Dx()
	return b.pixels[start+from-b.area.Min.X : start+to-b.area.Min.X]
}

// drawing is a picture during composition.
type drawing struct {
	image  *Image
	curves *curves
	tile   []byte
}

// Draw composes the visible layers. It returns 8 bits per channel with sRGB's curve. For an image in linear light
// with a profile, it returns 16 bits proportional to light. Errors are faults.
func (m *Image) Draw() (image.Image, error) {
	d := &drawing{image: m, curves: newCurves(), tile: make([]byte, tileSide*tileSide*4*8)}
	canvas := image.Rect(0, 0, m.Width, m.Height)
	deep := m.format.linear && m.Profile != nil
	out, deepOut := image.NewNRGBA(image.Rectangle{}), image.NewNRGBA64(image.Rectangle{})
	if deep {
		deepOut = image.NewNRGBA64(canvas)
	} else {
		out = image.NewNRGBA(canvas)
	}
	for y := 0; y < m.Height; y += blockHeight {
		for x := 0; x < m.Width; x += blockWidth {
			b := newBlock(image.Rect(x, y, x+blockWidth, y+blockHeight).Intersect(canvas))
			if err := d.stack(m.layers, b); err != nil {
				return nil, fault.Wrap(err, fault.Undecodable, "the original could not be decoded")
			}
			if deep {
				d.copyDeep(deepOut, b)
			} else {
				d.copy(out, b)
			}
		}
	}
	if deep {
		return deepOut, nil
	}
	return out, nil
}

func (d *drawing) copy(out *image.NRGBA, b *block) {
	d.convert(b, perceptual)
	for y := b.area.Min.Y; y < b.area.Max.Y; y++ {
		to := out.Pix[out.PixOffset(b.area.Min.X, y):]
		for i, p := range b.row(y, b.area.Min.X, b.area.Max.X) {
			for c, v := range p {
				to[4*i+c] = uint8(clamp(v)*255 + 0.5)
			}
		}
	}
}

func (d *drawing) copyDeep(out *image.NRGBA64, b *block) {
	d.convert(b, linearLight)
	for y := b.area.Min.Y; y < b.area.Max.Y; y++ {
		for i, p := range b.row(y, b.area.Min.X, b.area.Max.X) {
			v := func(c int) uint16 { return uint16(clamp(p[c])*65535 + 0.5) }
			out.SetNRGBA64(b.area.Min.X+i, y, color.NRGBA64{R: v(0), G: v(1), B: v(2), A: v(3)})
		}
	}
}

// stack composes layers onto a block. The last layer is the lowest.
func (d *drawing) stack(layers []*layer, b *block) error {
	for i := len(layers) - 1; i >= 0; i-- {
		if layers[i].hidden {
			continue
		}
		if err := d.layer(layers[i], b); err != nil {
			return err
		}
	}
	return nil
}

// layer composes a layer or a group onto the block.
func (d *drawing) layer(l *layer, b *block) error {
	m := l.mode
	if l.maskOnly && l.mask != nil {
		m = modeOf(modeNormal, 0, int(m.composite), 0)
	}
	keeps := m.cover == union || m.cover == clipToBackdrop
	if keeps && !l.group && !l.bounds().Overlaps(b.area) {
		l.leave(b)
		return nil
	}
	source, err := d.source(l, m, b)
	if err != nil {
		return err
	}
	mask, err := d.mask(l, b)
	if err != nil {
		return err
	}
	to := m.composite
	switch {
	case b.empty && m.action != passThrough: // the layer's colours stay unchanged
		to, b.space = source.space, source.space
	case to == anySpace:
		to = b.space
	}
	d.convert(source, to)
	d.convert(b, to)
	d.compose(l, m, b, source, mask)
	l.leave(b)
	return nil
}

// leave records that the block now has a backdrop, unless the layer is fully transparent.
func (l *layer) leave(b *block) { b.empty = b.empty && l.opacity == 0 }

// source returns the layer's own pixels.
func (d *drawing) source(l *layer, m mode, b *block) (*block, error) {
	s := newBlock(b.area)
	switch {
	case l.maskOnly && l.mask != nil:
		return s, d.load(l.mask, l.x, l.y, s, linearLight)
	case l.group:
		if m.action == passThrough {
			copy(s.pixels, b.pixels)
			s.space, s.empty = b.space, b.empty
		}
		return s, d.stack(l.children, s)
	}
	s.space = perceptual
	if d.image.format.linear && !l.indexed {
		s.space = linearLight
	}
	if err := d.load(l.pixels, l.x, l.y, s, s.space); err != nil || l.floating == nil || l.floating.hidden {
		return s, err
	}
	s.empty = false
	if err := d.layer(l.floating, s); err != nil {
		return s, err
	}
	s.clip(l.bounds())
	return s, nil
}

// clip makes all pixels outside a rectangle transparent.
func (b *block) clip(r image.Rectangle) {
	for y := b.area.Min.Y; y < b.area.Max.Y; y++ {
		row := b.row(y, b.area.Min.X, b.area.Max.X)
		for i := range row {
			if !image.Pt(b.area.Min.X+i, y).In(r) {
				row[i] = pixel{}
			}
		}
	}
}

// mask returns the layer's mask, or nil. The layer is invisible outside its mask.
func (d *drawing) mask(l *layer, b *block) (*block, error) {
	if l.mask == nil || l.maskIgnored || l.maskOnly {
		return nil, nil
	}
	s := newBlock(b.area)
	return s, d.load(l.mask, l.x, l.y, s, linearLight)
}

func (d *drawing) convert(b *block, to space) {
	if b.space == to {
		return
	}
	for i, p := range b.pixels {
		if p[3] != 0 {
			b.pixels[i] = d.curves.convert(p, b.space, to)
		}
	}
	b.space = to
}

func (d *drawing) compose(l *layer, m mode, b, source, mask *block) {
	bottom := b.empty && m.action != passThrough
	keeps := m.cover == union || m.cover == clipToBackdrop
	for i, layer := range source.pixels {
		opacity := l.opacity
		if mask != nil {
			opacity *= mask.pixels[i][0]
		}
		alpha := layer[3] * opacity
		if m.action == dissolve {
			alpha = dissolved(alpha, b.area.Min.X+i%b.area.Dx(), b.area.Min.Y+i/b.area.Dx())
		}
		switch {
		case bottom:
			b.pixels[i] = layer.at(alpha)
		case m.action == passThrough:
			b.pixels[i] = m.put(b.pixels[i], layer, layer, opacity)
		case alpha != 0 || !keeps:
			in := b.pixels[i]
			b.pixels[i] = m.put(in, layer, d.blend(m, in, layer, b.space), alpha)
		}
	}
}

func (d *drawing) blend(m mode, in, layer pixel, from space) pixel {
	if m.blend == nil || in[3] == 0 || layer[3] == 0 {
		if m.action == subtract {
			layer[3] = 0
		}
		return layer
	}
	if m.blendIn == anySpace || m.blendIn == from {
		return m.blend(in, layer)
	}
	return d.curves.convert(m.blend(d.curves.convert(in, from, m.blendIn), d.curves.convert(layer, from, m.blendIn)), m.blendIn, from)
}

// dissolved returns 1 with the probability alpha, otherwise 0. A place always gives the same result.
func dissolved(alpha float32, x, y int) float32 {
	h := uint32(x)*0x9e3779b1 ^ uint32(y)*0x85ebca77 //nolint:gosec // a hash
	h = (h ^ h>>15) * 0x2c1b3c6d
	h = (h ^ h>>12) * 0x297a2d39
	if float32((h^h>>15)%255) >= alpha*255 {
		return 0
	}
	return 1
}

// load reads the part of a plane, placed at x, y on the canvas, that lies in the block.
func (d *drawing) load(s *plane, x, y int, b *block, to space) error {
	b.space = to
	part := image.Rect(x, y, x+s.width, y+s.height).Intersect(b.area)
	if part.Empty() {
		return nil
	}
	for row := (part.Min.Y - y) / tileSide; row <= (part.Max.Y-1-y)/tileSide; row++ {
		for column := (part.Min.X - x) / tileSide; column <= (part.Max.X-1-x)/tileSide; column++ {
			tile, width, height, err := s.tile(column, row, d.tile)
			if err != nil {
				return err
			}
			at := image.Pt(x+column*tileSide, y+row*tileSide)
			d.place(s, tile, image.Rect(at.X, at.Y, at.X+width, at.Y+height), b)
		}
	}
	return nil
}

// place copies a tile that covers a rectangle of the canvas.
func (d *drawing) place(s *plane, tile []byte, r image.Rectangle, b *block) {
	part := r.Intersect(b.area)
	size := s.format.kind.size()
	for y := part.Min.Y; y < part.Max.Y; y++ {
		from := tile[((y-r.Min.Y)*r.Dx()+part.Min.X-r.Min.X)*s.channels*size:]
		row := b.row(y, part.Min.X, part.Max.X)
		for i := range row {
			row[i] = d.pixel(s, from[i*s.channels*size:], size)
		}
	}
}

func (d *drawing) pixel(s *plane, b []byte, size int) pixel {
	p := pixel{3: 1}
	if s.channels%2 == 0 {
		p[3] = clamp(s.format.sample(b[(s.channels-1)*size:]))
	}
	switch {
	case s.indexed:
		colour := d.image.palette[b[0]]
		p[0], p[1], p[2] = colour[0], colour[1], colour[2]
	case s.channels < 3:
		v := s.format.sample(b)
		p[0], p[1], p[2] = v, v, v
	default:
		p[0], p[1], p[2] = s.format.sample(b), s.format.sample(b[size:]), s.format.sample(b[2*size:])
	}
	return p
}
