// Package icc writes small colour profiles by the specification (ICC.1:2001-04): three primaries
// and a curve, or a curve of grey. Tests use them because their right colours are known.
package icc

import (
	"encoding/binary"
	"math"
)

// Chromaticity is a point in the CIE 1931 diagram.
type Chromaticity struct{ X, Y float64 }

// Primaries are the red, green, blue and white of an RGB space.
type Primaries struct{ Red, Green, Blue, White Chromaticity }

// d65 is the daylight white of ITU-R BT.709.
var d65 = Chromaticity{0.3127, 0.3290}

// The primaries of common colour spaces. Swapped has red and blue exchanged.
var (
	BT709   = Primaries{Chromaticity{0.64, 0.33}, Chromaticity{0.30, 0.60}, Chromaticity{0.15, 0.06}, d65}
	P3      = Primaries{Chromaticity{0.680, 0.320}, Chromaticity{0.265, 0.690}, Chromaticity{0.150, 0.060}, d65}
	BT2020  = Primaries{Chromaticity{0.708, 0.292}, Chromaticity{0.170, 0.797}, Chromaticity{0.131, 0.046}, d65}
	Adobe   = Primaries{Chromaticity{0.64, 0.33}, Chromaticity{0.21, 0.71}, Chromaticity{0.15, 0.06}, d65}
	Swapped = Primaries{Red: BT709.Blue, Green: BT709.Green, Blue: BT709.Red, White: d65}
)

// Curve returns the light, from 0 to 1, of a value from 0 to 1.
type Curve func(float64) float64

// Gamma returns a curve with a plain exponent.
func Gamma(g float64) Curve { return func(v float64) float64 { return math.Pow(v, g) } }

// SRGB is the curve of IEC 61966-2-1.
func SRGB(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// FromLight is the inverse of SRGB.
func FromLight(v float64) float64 {
	if v = min(max(v, 0), 1); v <= 0.0031308 {
		return 12.92 * v
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

// ToSRGB converts an 8-bit colour of another space to sRGB, and clips it.
func ToSRGB(c [3]uint8, p Primaries, curve Curve) (out [3]uint8) {
	var light [3]float64
	for i, v := range c {
		light[i] = curve(float64(v) / 255)
	}
	linear := BT709.matrix().inverse().apply(p.matrix().apply(light))
	for i, v := range linear {
		out[i] = uint8(math.Round(255 * FromLight(v)))
	}
	return out
}

// RGB returns a profile with a name, primaries and the same curve for the three channels.
func RGB(name string, p Primaries, curve Curve) []byte {
	m := bradford(p.White).times(p.matrix())
	trc := sampled(curve)
	column := func(i int) []byte { return xyz(m[0][i], m[1][i], m[2][i]) }
	return profile("RGB ", []tag{
		{"desc", description(name)}, {"cprt", text("none")}, {"wtpt", xyz(d50[0], d50[1], d50[2])},
		{"rXYZ", column(0)}, {"gXYZ", column(1)}, {"bXYZ", column(2)}, {"rTRC", trc}, {"gTRC", trc}, {"bTRC", trc},
	})
}

// Tables returns a profile of the same colours as RGB. It has them in a table for the perceptual intent, as scanners
// and cameras write them, instead of a matrix.
func Tables(name string, p Primaries, curve Curve) []byte {
	return profile("RGB ", []tag{
		{"desc", description(name)}, {"cprt", text("none")}, {"wtpt", xyz(d50[0], d50[1], d50[2])}, {"A2B0", table(p, curve)},
	})
}

// table returns a table of 16 bits (ICC.1:2001-04, 6.5.7): the curve for each channel, then the colours of the eight
// corners of the cube, in XYZ.
func table(p Primaries, curve Curve) []byte {
	const channels, corners = 3, 2
	b := []byte{'m', 'f', 't', '2', 0, 0, 0, 0, channels, channels, corners, 0}
	for i := range channels * channels { // a matrix that changes nothing
		b = binary.BigEndian.AppendUint32(b, uint32(1-min(i%(channels+1), 1))<<16)
	}
	b = binary.BigEndian.AppendUint16(b, samples)
	b = binary.BigEndian.AppendUint16(b, 2) // samples of the curves behind the table
	for range channels {
		b = append(b, sampled(curve)[12:]...)
	}
	m := bradford(p.White).times(p.matrix())
	for corner := range corners * corners * corners {
		light := m.apply([3]float64{float64(corner >> 2), float64(corner >> 1 & 1), float64(corner & 1)})
		for _, v := range light {
			b = binary.BigEndian.AppendUint16(b, uint16(math.Round(min(max(v, 0), 1.99)*32768)))
		}
	}
	for range channels {
		b = append(b, 0, 0, 0xff, 0xff)
	}
	return b
}

// Gray returns a profile of grey.
func Gray(name string, curve Curve) []byte {
	return profile("GRAY", []tag{
		{"desc", description(name)}, {"cprt", text("none")}, {"wtpt", xyz(d50[0], d50[1], d50[2])}, {"kTRC", sampled(curve)},
	})
}

type tag struct {
	signature string
	body      []byte
}

const headerBytes = 128

// profile joins header, table of tags and tags.
func profile(space string, tags []tag) []byte {
	b := make([]byte, headerBytes)
	copy(b[8:], "\x02\x40\x00\x00mntr"+space+"XYZ ")
	copy(b[24:], "\x07\xd0\x00\x01\x00\x01") // a date
	copy(b[36:], "acsp")
	copy(b[68:], xyz(d50[0], d50[1], d50[2])[8:])
	b = binary.BigEndian.AppendUint32(b, uint32(len(tags)))
	at := len(b) + 12*len(tags)
	for _, t := range tags {
		b = append(b, t.signature...)
		b = binary.BigEndian.AppendUint32(b, uint32(at))
		b = binary.BigEndian.AppendUint32(b, uint32(len(t.body)))
		at += (len(t.body) + 3) &^ 3
	}
	for _, t := range tags {
		b = append(b, t.body...)
		b = append(b, make([]byte, -len(t.body)&3)...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// samples is the number of samples of a curve. It is large enough for exact 8-bit values.
const samples = 1024

func sampled(curve Curve) []byte {
	b := binary.BigEndian.AppendUint32([]byte("curv\x00\x00\x00\x00"), samples)
	for i := range samples {
		b = binary.BigEndian.AppendUint16(b, uint16(math.Round(65535*curve(float64(i)/(samples-1)))))
	}
	return b
}

func text(s string) []byte { return append([]byte("text\x00\x00\x00\x00"), s+"\x00"...) }

func description(s string) []byte {
	b := binary.BigEndian.AppendUint32([]byte("desc\x00\x00\x00\x00"), uint32(len(s)+1))
	return append(append(b, s+"\x00"...), make([]byte, 4+4+2+1+67)...)
}

func xyz(x, y, z float64) []byte {
	b := []byte("XYZ \x00\x00\x00\x00")
	for _, v := range []float64{x, y, z} {
		b = binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(v*65536))))
	}
	return b
}
