package colour

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
)

// Profile holds the properties of an ICC profile. The zero Profile means no profile.
type Profile struct {
	// Model is the profile's colour space: "RGB ", "GRAY", "CMYK" or "Lab "; "" means no profile.
	Model string
	// curve maps values of grey, or of green, to light, both 0 to 1; nil means unknown.
	curve func(float64) float64
	// plain means that curves and primaries equal sRGB's.
	plain bool
	// matrix means that the profile consists of three curves and a matrix, without tables.
	matrix bool
	// wide means that the profile has colours outside sRGB.
	wide bool
}

const (
	headerSize = 128
	maxTags    = 100
	// steps is the number of values that alike compares. slack bounds the difference of an sRGB value: about one of
	// 255.
	steps = 64
	slack = 1.2 / 255
	// xyzSlack bounds the difference of primaries, in XYZ of D50: profiles round differently.
	xyzSlack = 0.004
)

// ReadProfile reads an ICC profile (ICC.1:2022). Other data gives the zero Profile.
func ReadProfile(b []byte) Profile {
	if len(b) < headerSize+4 || string(b[36:40]) != "acsp" {
		return Profile{}
	}
	p := Profile{Model: string(b[16:20])}
	switch p.Model {
	case "GRAY":
		p.curve = curveOf(tag(b, "kTRC"))
	case "RGB ":
		p.readRGB(b)
	}
	return p
}

func (p *Profile) readRGB(b []byte) {
	p.curve = curveOf(tag(b, "gTRC"))
	p.matrix = p.curve != nil && tag(b, "A2B0") == nil && tag(b, "A2B1") == nil
	p.plain = p.matrix
	want := SRGB.toD50()
	var m matrix
	for i, channel := range []string{"r", "g", "b"} {
		xyz := tag(b, channel+"XYZ")
		curve := curveOf(tag(b, channel+"TRC"))
		if len(xyz) < 20 || curve == nil {
			p.plain, p.matrix = false, false
			return
		}
		p.plain = p.plain && alike(curve, slack)
		for axis := range 3 {
			m[axis][i] = fixed(xyz[8+4*axis:])
			p.plain = p.plain && math.Abs(m[axis][i]-want[axis][i]) <= xyzSlack
		}
	}
	p.wide = p.matrix && alike(p.curve, wideSlack) && m.gamut() > wideFrom*want.gamut()
}

const (
	// wideFrom is the smallest gamut of a kept profile, relative to sRGB's; Display P3 has 1.36.
	wideFrom = 1.1
	// wideSlack bounds the difference of a kept profile's curve from sRGB's, because 8 bits of linear light would
	// show steps. Gamma 1.8 is within 0.08.
	wideSlack = 0.12
)

// gamut returns the area of the triangle of chromaticities x, y; the matrix's columns are its corners.
func (m matrix) gamut() float64 {
	var x, y [3]float64
	for i := range 3 {
		sum := m[0][i] + m[1][i] + m[2][i]
		if sum <= 0 {
			return 0
		}
		x[i], y[i] = m[0][i]/sum, m[1][i]/sum
	}
	return math.Abs((x[1]-x[0])*(y[2]-y[0])-(x[2]-x[0])*(y[1]-y[0])) / 2
}

// Plain reports whether the profile changes nothing: it is sRGB, or grey with sRGB's curve.
func (p Profile) Plain() bool {
	return p.plain || p.Model == "GRAY" && (p.curve == nil || alike(p.curve, slack))
}

// Matrix reports whether the profile consists of three curves and a matrix.
func (p Profile) Matrix() bool { return p.matrix }

// Wide reports whether the profile is a matrix with colours outside sRGB. Conversion to sRGB would lose those
// colours.
func (p Profile) Wide() bool { return p.wide }

// GreyTable returns the sRGB grey, 0 to 1, of each of n values of grey; nil for an unknown curve.
func (p Profile) GreyTable(n int) []float64 {
	if p.curve == nil {
		return nil
	}
	return greyTable(p.curve, n)
}

// greyTable returns the sRGB grey of each of n values of a curve.
func greyTable(curve func(float64) float64, n int) []float64 {
	table := make([]float64, n)
	for i := range table {
		table[i] = encoded(curve(float64(i) / float64(n-1)))
	}
	return table
}

// alike reports whether a curve gives the same light as sRGB's curve, within slack in sRGB values.
func alike(curve func(float64) float64, slack float64) bool {
	for i := range steps + 1 {
		v := float64(i) / steps
		if math.Abs(encoded(curve(v))-v) > slack {
			return false
		}
	}
	return true
}

// tag returns the content of a tag, or nil without that tag.
func tag(b []byte, name string) []byte {
	for i := range min(int(min(binary.BigEndian.Uint32(b[headerSize:]), maxTags)), (len(b)-headerSize-4)/12) {
		at := b[headerSize+4+12*i:]
		from, size := uint64(binary.BigEndian.Uint32(at[4:])), uint64(binary.BigEndian.Uint32(at[8:]))
		if string(at[:4]) == name && from+size <= uint64(len(b)) {
			return b[from : from+size]
		}
	}
	return nil
}

// fixed reads a number with 16 bits before and 16 bits after the point.
func fixed(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 } //nolint:gosec // two's complement is meant

// curveOf reads a curve of points or of parameters, or returns nil for other data.
func curveOf(b []byte) func(float64) float64 {
	if len(b) < 12 {
		return nil
	}
	switch string(b[:4]) {
	case "curv":
		return pointsOf(b)
	case "para":
		return parametersOf(b)
	}
	return nil
}

func pointsOf(b []byte) func(float64) float64 {
	n := int(min(binary.BigEndian.Uint32(b[8:]), 1<<20))
	if len(b) < 12+2*n {
		return nil
	}
	switch n {
	case 0:
		return func(v float64) float64 { return v }
	case 1:
		gamma := float64(binary.BigEndian.Uint16(b[12:])) / 256
		return func(v float64) float64 { return math.Pow(v, gamma) }
	}
	points := b[12:]
	at := func(i int) float64 { return float64(binary.BigEndian.Uint16(points[2*i:])) / math.MaxUint16 }
	return func(v float64) float64 {
		place := min(max(v, 0), 1) * float64(n-1)
		i := min(int(place), n-2)
		return at(i) + (at(i+1)-at(i))*(place-float64(i))
	}
}

// parametersOf reads the functions of ICC.1:2022, table 68. Each function is the last of the table with some numbers
// left out.
func parametersOf(b []byte) func(float64) float64 {
	counts := []int{1, 3, 4, 5, 7}
	kind := int(binary.BigEndian.Uint16(b[8:]))
	if kind >= len(counts) || len(b) < 12+4*counts[kind] {
		return nil
	}
	var p [7]float64 // g a b c d e f
	for i := range counts[kind] {
		p[i] = fixed(b[12+4*i:])
	}
	g, a, base, c, d, e, f := p[0], p[1], p[2], p[3], p[4], p[5], p[6]
	switch kind {
	case 0:
		a, d = 1, math.Inf(-1)
	case 1:
		c, d = 0, -base/a
	case 2:
		e, f, c, d = c, c, 0, -base/a
	}
	return func(v float64) float64 {
		if v < d {
			return c*v + f
		}
		return math.Pow(max(0, a*v+base), g) + e
	}
}

// curvePoints is the number of points in a written curve, with straight lines between them. 42 points stay within
// half of one of 255 steps of sRGB's curve.
const curvePoints = 42

// Profile returns an ICC profile, version 2.1, of a space that is not HDR. It has primaries adapted to D50, one curve
// for all three channels, and no text but its name, in less than 500 bytes.
func (s Space) Profile() []byte {
	primaries := s.Primaries.orSRGB()
	m := primaries.toD50()
	white := primaries.white()
	curve := s.curve()
	return assemble([]part{
		{"desc", text2(s.name())},
		{"cprt", append([]byte("text\x00\x00\x00\x00"), "CC0\x00"...)},
		{"wtpt", xyz(white[0], white[1], white[2])},
		{"rXYZ", xyz(m[0][0], m[1][0], m[2][0])},
		{"gXYZ", xyz(m[0][1], m[1][1], m[2][1])},
		{"bXYZ", xyz(m[0][2], m[1][2], m[2][2])},
		{"rTRC", curve}, {"gTRC", nil}, {"bTRC", nil}, // all three share one curve
	})
}

func (s Space) name() string {
	switch {
	case s.Plain():
		return "srgb tiny"
	case s == Space{Primaries: DisplayP3}:
		return "p3 tiny"
	}
	return "rgb tiny"
}

func (s Space) curve() []byte {
	curve := []byte("curv\x00\x00\x00\x00")
	switch s.Transfer {
	case TransferGamma:
		curve = binary.BigEndian.AppendUint32(curve, 1)
		curve = binary.BigEndian.AppendUint16(curve, uint16(math.Round(min(max(s.Gamma, 0.01), 255)*256)))
		return append(curve, 0, 0)
	case TransferLinear:
		return binary.BigEndian.AppendUint32(curve, 0)
	}
	curve = binary.BigEndian.AppendUint32(curve, curvePoints)
	for i := range curvePoints {
		curve = binary.BigEndian.AppendUint16(curve, uint16(math.Round(s.light(float64(i)/(curvePoints-1))*math.MaxUint16)))
	}
	return curve
}

// part is one tag. A part without data shares the data of the part before it.
type part struct {
	name string
	data []byte
}

func assemble(parts []part) []byte {
	var table, data []byte
	first := headerSize + 4 + 12*len(parts)
	var at, length int
	for _, t := range parts {
		if t.data != nil {
			at, length = first+len(data), len(t.data)
			data = append(data, t.data...)
			data = append(data, make([]byte, -len(data)&3)...)
		}
		table = append(table, t.name...)
		table = binary.BigEndian.AppendUint32(table, uint32(at))     //nolint:gosec // below 1 KB
		table = binary.BigEndian.AppendUint32(table, uint32(length)) //nolint:gosec // below 1 KB
	}
	count := binary.BigEndian.AppendUint32(nil, uint32(len(parts))) //nolint:gosec // nine
	return slices.Concat(header(first+len(data)), count, table, data)
}

func header(size int) []byte {
	h := make([]byte, headerSize)
	binary.BigEndian.PutUint32(h, uint32(size)) //nolint:gosec // below 1 KB
	binary.BigEndian.PutUint32(h[8:], 0x02100000)
	copy(h[12:], "mntrRGB XYZ ")
	copy(h[36:], "acsp")
	copy(h[68:], xyz(d50[0], d50[1], d50[2])[8:])
	return h
}

// xyz returns a tag with one colour. Each number has 16 bits before and 16 bits after the point.
func xyz(values ...float64) []byte {
	tag := []byte("XYZ \x00\x00\x00\x00")
	for _, v := range values {
		tag = binary.BigEndian.AppendUint32(tag, uint32(int32(math.Round(v*65536)))) //nolint:gosec // two's complement is meant
	}
	return tag
}

// text2 returns a description of version 2: ASCII, and two empty forms.
func text2(text string) []byte {
	tag := []byte("desc\x00\x00\x00\x00")
	tag = binary.BigEndian.AppendUint32(tag, uint32(len(text)+1)) //nolint:gosec // a short name
	return append(append(append(tag, text...), 0), bytes.Repeat([]byte{0}, 78)...)
}
