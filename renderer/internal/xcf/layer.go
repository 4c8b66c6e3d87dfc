package xcf

import (
	"fmt"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// draft is a layer while the parser reads its properties.
type draft struct {
	parser    *parser
	layer     *layer
	path      []uint32
	floating  bool
	number    int // of the mode
	blend     int // a space; 0 or less leaves it to the mode
	composite int // a space; 0 or less leaves it to the mode
	combine   int // a composite mode; 0 or less leaves it to the mode
}

// layer reads the layer at an offset. It also returns the path to the layer's group.
func (p *parser) layer(at int64) (*layer, []uint32, error) {
	c := p.cursor(at)
	l := &layer{opacity: 1, width: c.int32(), height: c.int32()}
	kind := c.uint32() // RGB, grey, indexed, each without and with alpha
	c.skip(int64(c.uint32()))
	l.alpha, l.indexed = kind%2 == 1, kind/2 == 2
	d := draft{parser: p, layer: l}
	if err := p.walk(c, d.property); err != nil {
		return nil, nil, err
	}
	l.mode = modeOf(d.number, d.blend, d.composite, d.combine)
	if l.mode.action == passThrough && !l.group {
		l.mode = modeOf(modeNormal, 0, 0, 0)
	}
	if d.floating && !l.group {
		p.floating = l
	}
	if !l.group && (kind > 5 || l.width < 1 || l.height < 1 || l.width > maxSide || l.height > maxSide) {
		return nil, nil, fmt.Errorf("a layer has %d × %d pixels and type %d: sides of 1 to %d and types 0 to 5 are allowed", l.width, l.height, kind, maxSide)
	}
	return l, d.path, p.drawables(c, l, channelsOf(kind))
}

// channelsOf returns the samples per pixel for a layer's type.
func channelsOf(kind uint32) int {
	return []int{3, 4, 1, 2, 1, 2}[min(kind, 5)]
}

// drawables reads the layer's pixels and mask.
func (p *parser) drawables(c *cursor, l *layer, channels int) error {
	hierarchy, mask := c.pointer(), c.pointer()
	if c.err != nil || l.hidden {
		return c.err
	}
	if p.version >= versionEffects && c.pointer() != 0 {
		return fault.New(fault.Unsupported, "the original has a layer with non-destructive effects of GIMP 3: merge the effects")
	}
	var err error
	if !l.group {
		if l.pixels, err = p.plane(hierarchy, l.width, l.height, channels, l.indexed); err != nil {
			return err
		}
	}
	if mask != 0 {
		l.mask, err = p.channel(mask)
	}
	return err
}

// channel reads a mask.
func (p *parser) channel(at int64) (*plane, error) {
	c := p.cursor(at)
	width, height := c.int32(), c.int32()
	c.skip(int64(c.uint32()))
	if err := p.walk(c, func(c *cursor, _ uint32, length int64) { c.skip(length) }); err != nil {
		return nil, err
	}
	if width < 1 || height < 1 || width > maxSide || height > maxSide {
		return nil, fmt.Errorf("a mask has %d × %d pixels: sides of 1 to %d are allowed", width, height, maxSide)
	}
	return p.plane(c.pointer(), width, height, 1, false)
}

func (d *draft) property(c *cursor, property uint32, length int64) {
	l := d.layer
	switch property {
	case propFloatingSelection:
		d.parser.attached, d.floating = c.pointer(), true
	case propOpacity:
		l.opacity = float32(min(c.uint32(), 255)) / 255
	case propFloatOpacity:
		l.opacity = clamp(c.float32())
	case propVisible:
		l.hidden = c.uint32() == 0
	case propOffsets:
		l.x, l.y = offset(c.int32()), offset(c.int32())
	case propApplyMask:
		l.maskIgnored = c.uint32() == 0
	case propShowMask:
		l.maskOnly = c.uint32() != 0
	case propGroupItem:
		l.group = true
		c.skip(length)
	case propItemPath:
		for range min(length/4, maxDepth+1) {
			d.path = append(d.path, c.uint32())
		}
		c.skip(length - length/4*4 + max(0, length/4-maxDepth-1)*4)
	default:
		d.modeProperty(c, property, length)
	}
}

func (d *draft) modeProperty(c *cursor, property uint32, length int64) {
	switch property {
	case propMode:
		d.number = c.int32()
	case propBlendSpace:
		d.blend = c.int32()
	case propCompositeSpace:
		d.composite = c.int32()
	case propCompositeMode:
		d.combine = c.int32()
	default:
		c.skip(length)
	}
}

// offset returns n, or 0 outside GIMP's bounds.
func offset(n int) int {
	if n < -maxSide || n > maxSide {
		return 0
	}
	return n
}
