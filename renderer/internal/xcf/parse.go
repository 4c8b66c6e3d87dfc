package xcf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/thumbmill/thumbmill/shared/fault"
)

// The properties that affect the picture, by app/xcf/xcf-private.h.
const (
	propEnd               = 0
	propColormap          = 1
	propFloatingSelection = 5
	propOpacity           = 6
	propMode              = 7
	propVisible           = 8
	propApplyMask         = 11
	propShowMask          = 13
	propOffsets           = 15
	propCompression       = 17
	propParasites         = 21
	propGroupItem         = 29
	propItemPath          = 30
	propFloatOpacity      = 33
	propCompositeMode     = 35
	propCompositeSpace    = 36
	propBlendSpace        = 37
)

// Versions that changed the structure.
const (
	versionPrecision = 4
	versionWide      = 11 // 64-bit pointers
	versionBigEndian = 12 // for samples of more than 8 bits
	versionEffects   = 20 // layers have a list of effects
)

// parser reads a file's structure.
type parser struct {
	file       io.ReaderAt
	size       int64
	properties int // number of properties that the parser may still read
	version    int
	base       int // 0 RGB, 1 grey, 2 indexed
	compressed int
	format     format
	palette    [256][3]float32
	profile    []byte
	attached   int64 // offset of the drawable that the floating selection belongs to
	floating   *layer
}

func (p *parser) cursor(at int64) *cursor {
	c := &cursor{file: p.file, size: p.size, wide: p.version >= versionWide}
	c.seek(at)
	return c
}

func (p *parser) image(maxPixels int64) (*Image, error) {
	c := p.cursor(0)
	if err := p.header(c.bytes(14)); err != nil {
		return nil, err
	}
	c.wide = p.version >= versionWide
	m := &Image{Width: c.int32(), Height: c.int32()}
	p.base = c.int32()
	if m.Width < 1 || m.Height < 1 || p.base < 0 || p.base > 2 {
		return nil, fault.New(fault.Undecodable, "the original has %d × %d pixels and base type %d: sides from 1 and base types 0 to 2 are allowed", m.Width, m.Height, p.base)
	}
	if m.Width > maxSide || m.Height > maxSide || int64(m.Width)*int64(m.Height) > maxPixels {
		return nil, fault.New(fault.TooLarge, "the original has %d × %d pixels, at most %d are allowed", m.Width, m.Height, maxPixels)
	}
	if err := p.precision(c); err != nil {
		return nil, err
	}
	if err := p.walk(c, p.imageProperty); err != nil {
		return nil, err
	}
	layers, err := p.layers(c)
	m.Grey, m.format, m.palette, m.Profile, m.layers = p.base == 1, p.format, p.palette, p.profile, layers
	return m, err
}

func (p *parser) header(b []byte) error {
	if !bytes.HasPrefix(b, []byte("gimp xcf ")) || len(b) < 14 {
		return errors.New("the file does not start with \"gimp xcf \"")
	}
	tag := string(b[9:13])
	if tag == "file" {
		return nil
	}
	version, err := strconv.Atoi(tag[1:])
	if tag[0] != 'v' || err != nil || version < 0 {
		return fmt.Errorf("the XCF has version %q: file and v001 to v099 are allowed", tag)
	}
	if version >= 100 {
		return fault.New(fault.Unsupported, "the original is an XCF of CinePaint (version %d), not of GIMP: save it with GIMP", version)
	}
	p.version = version
	return nil
}

// precision reads the storage of samples. Three development versions numbered precisions differently.
func (p *parser) precision(c *cursor) error {
	p.format = format{kind: unsigned8, bigEndian: p.version >= versionBigEndian}
	if p.version < versionPrecision {
		return c.err
	}
	number := c.int32()
	switch p.version {
	case 4:
		number = map[int]int{0: 150, 1: 250, 2: 300, 3: 500, 4: 600}[number]
	case 5, 6:
		if number >= 400 {
			number += 100
		}
	}
	kind, known := map[int]kind{1: unsigned8, 2: unsigned16, 3: unsigned32, 5: half, 6: single, 7: double}[number/100]
	if !known || number%100 != 0 && number%100 != 50 {
		return fault.New(fault.Unsupported, "the original's pixels have the unknown precision %d: convert it to 8 bits", number)
	}
	p.format.kind, p.format.linear = kind, number%100 == 0
	return c.err
}

// walk reads a list of properties, and calls each with the declared length of the payload. The length is wrong in
// some old files, so each reads the known payload's own length.
func (p *parser) walk(c *cursor, each func(c *cursor, property uint32, length int64)) error {
	for c.err == nil {
		property, length := c.uint32(), int64(c.uint32())
		if property == propEnd {
			return c.err
		}
		if p.properties--; p.properties < 0 {
			return fault.New(fault.TooLarge, "the original has more than %d properties, which is the limit", maxProperties)
		}
		each(c, property, length)
	}
	return c.err
}

func (p *parser) imageProperty(c *cursor, property uint32, length int64) {
	switch property {
	case propColormap:
		p.colormap(c)
	case propCompression:
		p.compressed = int(c.bytes(1)[0])
	case propParasites:
		end := c.at + length
		for c.err == nil && c.at < end {
			p.parasite(c)
		}
	default:
		c.skip(length)
	}
}

// colormap reads a palette. It ignores the property's length, which is wrong in some files. Version 0 saved no
// colours, and GIMP uses shades of grey.
func (p *parser) colormap(c *cursor) {
	colours := min(c.uint32(), 256)
	if p.version == 0 {
		c.skip(int64(colours))
		for i := range p.palette {
			v := float32(i) / 255
			p.palette[i] = [3]float32{v, v, v}
		}
		return
	}
	for i := range colours {
		rgb := c.bytes(3)
		p.palette[i] = [3]float32{float32(rgb[0]) / 255, float32(rgb[1]) / 255, float32(rgb[2]) / 255}
	}
}

func (p *parser) parasite(c *cursor) {
	name := int64(c.uint32())
	known := name == int64(len("icc-profile\x00")) && string(c.bytes(int(name))) == "icc-profile\x00"
	if name != int64(len("icc-profile\x00")) {
		c.skip(name)
	}
	_ = c.uint32() // flags
	length := int64(c.uint32())
	if known && length > 0 && length <= maxProfile {
		p.profile = c.bytes(int(length))
		return
	}
	c.skip(length)
}

// layers reads the list of layers, and puts each layer into its group.
func (p *parser) layers(c *cursor) ([]*layer, error) {
	root := &layer{}
	places := map[int64]*layer{}
	for n := 0; c.err == nil; n++ {
		at := c.pointer()
		if at == 0 {
			break
		}
		if n == maxLayers {
			return nil, fault.New(fault.TooLarge, "the original has more than %d layers, which is the limit", maxLayers)
		}
		l, path, err := p.layer(at)
		if err != nil {
			return nil, err
		}
		places[at] = l
		if l == p.floating {
			continue // it belongs to another layer instead of a stack
		}
		if err := p.place(root, l, path); err != nil {
			return nil, err
		}
	}
	if target := places[p.attached]; p.floating != nil && target != nil && target != p.floating {
		target.floating = p.floating
	}
	return root.children, c.err
}

// place puts a layer into the group that its path names. A path has a position for each group, from the image's top
// down, and last the layer's own position. Paths count the floating selection too.
func (p *parser) place(root, l *layer, path []uint32) error {
	parent := root
	if len(path) > maxDepth {
		return fault.New(fault.Unsupported, "the original has groups of layers nested more than %d deep, which is the limit", maxDepth)
	}
	for i, n := range path[:max(0, len(path)-1)] {
		if i == 0 && p.floating != nil {
			n--
		}
		if int64(n) >= int64(len(parent.children)) || !parent.children[n].group {
			break
		}
		parent = parent.children[n]
	}
	parent.children = append(parent.children, l)
	return nil
}
