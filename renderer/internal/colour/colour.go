// Package colour interprets the numbers of a picture. Files declare their colour space by code points (ITU-T H.273,
// in PNG's cICP and HEIF's nclx), by gamma and chromaticities (PNG), or by ICC profiles.
//
// The package reads and writes ICC profiles with a matrix and curves, and maps high dynamic range to sRGB. A colour
// engine must convert LUT profiles.
package colour

import "math"

// Space is the meaning of red, green and blue. The zero Space is undeclared, and means sRGB.
type Space struct {
	// Primaries are CIE x and y of red, green, blue and white; all zeros mean sRGB's primaries.
	Primaries Primaries `json:"primaries,omitzero"`
	Transfer  Transfer  `json:"transfer,omitempty"`
	// Gamma is the exponent of TransferGamma: light = value ^ Gamma.
	Gamma float64 `json:"gamma,omitempty"`
}

// Primaries are the chromaticities x, y of red, green, blue and white.
type Primaries [4][2]float64

// Transfer names the function from numbers to light.
type Transfer string

const (
	TransferSRGB   Transfer = ""       // IEC 61966-2-1; BT.709 and similar functions are treated alike
	TransferGamma  Transfer = "gamma"  // a power function
	TransferLinear Transfer = "linear" // identity
	TransferPQ     Transfer = "pq"     // SMPTE ST 2084
	TransferHLG    Transfer = "hlg"    // ARIB STD-B67
)

var (
	// SRGB has the primaries of BT.709.
	SRGB = Primaries{{0.64, 0.33}, {0.30, 0.60}, {0.15, 0.06}, {0.3127, 0.3290}}
	// DisplayP3 has the primaries of SMPTE EG 432-1.
	DisplayP3 = Primaries{{0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}, {0.3127, 0.3290}}
	// BT2020 has the primaries of Rec. ITU-R BT.2020.
	BT2020 = Primaries{{0.708, 0.292}, {0.170, 0.797}, {0.131, 0.046}, {0.3127, 0.3290}}
)

// primariesOf holds the code points of H.273, table 2, with a visible difference from sRGB.
var primariesOf = map[int]Primaries{
	4:  {{0.67, 0.33}, {0.21, 0.71}, {0.14, 0.08}, {0.310, 0.316}},
	5:  {{0.64, 0.33}, {0.29, 0.60}, {0.15, 0.06}, {0.3127, 0.3290}},
	6:  {{0.630, 0.340}, {0.310, 0.595}, {0.155, 0.070}, {0.3127, 0.3290}},
	7:  {{0.630, 0.340}, {0.310, 0.595}, {0.155, 0.070}, {0.3127, 0.3290}},
	9:  BT2020,
	11: {{0.680, 0.320}, {0.265, 0.690}, {0.150, 0.060}, {0.314, 0.351}},
	12: DisplayP3,
}

// OfCodes returns the space of two code points of H.273. Code points that are unspecified, reserved or visibly equal
// to sRGB give sRGB.
func OfCodes(primaries, transfer int) Space {
	s := Space{Primaries: primariesOf[primaries]}
	switch transfer {
	case 4:
		s.Transfer, s.Gamma = TransferGamma, 2.2
	case 5:
		s.Transfer, s.Gamma = TransferGamma, 2.8
	case 8:
		s.Transfer = TransferLinear
	case 16:
		s.Transfer = TransferPQ
	case 18:
		s.Transfer = TransferHLG
	}
	return s
}

// OfGamma returns the space of a PNG's gAMA and cHRM chunks. gamma is the encoding exponent, usually 0.45455; 0 means
// no gAMA. All-zero primaries mean no cHRM.
func OfGamma(gamma float64, primaries Primaries) Space {
	var s Space
	if primaries.valid() && !primaries.near(SRGB) {
		s.Primaries = primaries
	}
	if usual := math.Abs(gamma-1/2.2) <= 0.005; gamma > 0 && (!usual || s.Primaries != Primaries{}) {
		s.Transfer, s.Gamma = TransferGamma, 1/gamma // browsers too honour the usual gamma beside other chromaticities
	}
	return s
}

// Plain reports whether the space is sRGB.
func (s Space) Plain() bool { return s == Space{} }

// HDR reports whether the space has values brighter than a screen's white.
func (s Space) HDR() bool { return s.Transfer == TransferPQ || s.Transfer == TransferHLG }

// near reports whether each chromaticity differs by at most 0.002, which is rounding.
func (p Primaries) near(other Primaries) bool {
	for i := range p {
		if math.Abs(p[i][0]-other[i][0]) > 0.002 || math.Abs(p[i][1]-other[i][1]) > 0.002 {
			return false
		}
	}
	return true
}

// valid reports whether the chromaticities are in range and span a triangle around the white point.
func (p Primaries) valid() bool {
	for _, c := range p {
		if !(c[0] >= 0) || !(c[1] > 0.001) || c[0] > 1.2 || c[1] > 1.2 {
			return false
		}
	}
	m := p.toXYZ()
	return math.Abs(m.determinant()) > 1e-6
}

// orSRGB returns p, or sRGB's primaries for the zero value.
func (p Primaries) orSRGB() Primaries {
	if p == (Primaries{}) {
		return SRGB
	}
	return p
}

// light returns the light of a value; both are 0 to 1, relative to the space's white. It does not support PQ and HLG.
func (s Space) light(v float64) float64 {
	switch s.Transfer {
	case TransferGamma:
		return math.Pow(v, s.Gamma)
	case TransferLinear:
		return v
	}
	return linear(v)
}

// GreyTable returns the sRGB grey, 0 to 1, of each of n values of grey. It does not support PQ and HLG.
func (s Space) GreyTable(n int) []float64 { return greyTable(s.light, n) }

// linear returns the light of an sRGB value, both 0 to 1.
func linear(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

// encoded returns the sRGB value of light, both 0 to 1.
func encoded(light float64) float64 {
	switch {
	case light <= 0:
		return 0
	case light <= 0.0031308:
		return light * 12.92
	case light >= 1:
		return 1
	}
	return 1.055*math.Pow(light, 1/2.4) - 0.055
}
