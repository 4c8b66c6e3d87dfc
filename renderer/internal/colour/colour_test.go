package colour

import (
	"encoding/binary"
	"math"
	"testing"
)

// withCurve returns a profile with sRGB's primaries and another curve.
func withCurve(curve []byte) []byte {
	m := SRGB.toD50()
	return assemble([]part{
		{"desc", text2("sRGB IEC61966-2.1")},
		{"rXYZ", xyz(m[0][0], m[1][0], m[2][0])}, {"gXYZ", xyz(m[0][1], m[1][1], m[2][1])}, {"bXYZ", xyz(m[0][2], m[1][2], m[2][2])},
		{"rTRC", curve}, {"gTRC", nil}, {"bTRC", nil},
	})
}

// parametric returns a curve of type para.
func parametric(kind uint16, numbers ...float64) []byte {
	b := binary.BigEndian.AppendUint16([]byte("para\x00\x00\x00\x00"), kind)
	b = append(b, 0, 0)
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint32(b, uint32(int32(math.Round(n*65536))))
	}
	return b
}

func grey(curve []byte) []byte {
	p := assemble([]part{{"kTRC", curve}})
	copy(p[16:], "GRAY")
	return p
}

func TestProfilesAreClassified(t *testing.T) {
	gamma18 := append(binary.BigEndian.AppendUint32([]byte("curv\x00\x00\x00\x00"), 1), 1, 0xcd, 0, 0)
	for name, c := range map[string]struct {
		profile             []byte
		plain, matrix, wide bool
	}{
		"ours":                          {Space{}.Profile(), true, true, false},
		"sRGB by parameters":            {withCurve(parametric(3, 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045)), true, true, false},
		"named sRGB, but linear":        {withCurve(Space{Transfer: TransferLinear}.curve()), false, true, false},
		"named sRGB, but gamma 1.8":     {withCurve(gamma18), false, true, false},
		"Display P3":                    {Space{Primaries: DisplayP3}.Profile(), false, true, true},
		"grey with sRGB's curve":        {grey(parametric(3, 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045)), true, false, false},
		"grey with gamma 1.8":           {grey(gamma18), false, false, false},
		"grey with BT.709's curve":      {grey(parametric(3, 1/0.45, 1/1.099, 0.099/1.099, 1/4.5, 0.081)), false, false, false},
		"cut curves":                    {withCurve([]byte("curv\x00\x00\x00\x00\x00\x00\x01\x00")), false, false, false},
		"not a profile":                 {[]byte("not a profile"), false, false, false},
		"a header and a count of 2^32":  {append(header(200)[:headerSize], 0xff, 0xff, 0xff, 0xff), false, false, false},
		"parameters of an unknown kind": {withCurve(parametric(9, 1)), false, false, false},
		"BT.2020's primaries, linear":   {Space{Primaries: BT2020, Transfer: TransferLinear}.Profile(), false, true, false},
		"red and blue exchanged":        {Space{Primaries: Primaries{SRGB[2], SRGB[1], SRGB[0], SRGB[3]}}.Profile(), false, true, false},
	} {
		p := ReadProfile(c.profile)
		if p.Plain() != c.plain || p.Matrix() != c.matrix || p.Wide() != c.wide {
			t.Errorf("%s: plain %v, matrix %v, wide %v", name, p.Plain(), p.Matrix(), p.Wide())
		}
	}
}

func TestGreyFollowsTheCurve(t *testing.T) {
	gamma18 := append(binary.BigEndian.AppendUint32([]byte("curv\x00\x00\x00\x00"), 1), 1, 0xcd, 0, 0)
	table := ReadProfile(grey(gamma18)).GreyTable(256)
	if got := math.Round(table[128] * 255); got != 146 { // encoded((128/255)^1.8) by IEC 61966-2-1
		t.Errorf("128 became %v, want 146", got)
	}
	if table[0] != 0 || table[255] != 1 {
		t.Errorf("black became %v, white %v", table[0], table[255])
	}
}

func TestMadeProfiles(t *testing.T) {
	for name, s := range map[string]Space{
		"sRGB": {}, "P3": {Primaries: DisplayP3}, "BT.2020": {Primaries: BT2020}, "gamma": {Transfer: TransferGamma, Gamma: 1.8}, "linear": {Transfer: TransferLinear},
	} {
		b := s.Profile()
		if len(b) > 600 || int(binary.BigEndian.Uint32(b)) != len(b) {
			t.Errorf("%s: %d bytes, says %d", name, len(b), binary.BigEndian.Uint32(b))
		}
		curve := ReadProfile(b).curve
		for i := range 256 {
			v := float64(i) / 255
			if off := math.Abs(encoded(curve(v))-encoded(s.light(v))) * 255; off > 0.6 {
				t.Fatalf("%s: the curve at %v is %.2f steps off", name, v, off)
			}
		}
	}
}

func TestCodesAndGamma(t *testing.T) {
	for name, c := range map[string]struct{ got, want Space }{
		"BT.709":               {OfCodes(1, 1), Space{}},
		"unspecified":          {OfCodes(2, 2), Space{}},
		"P3 with sRGB's curve": {OfCodes(12, 13), Space{Primaries: DisplayP3}},
		"BT.2100 PQ":           {OfCodes(9, 16), Space{Primaries: BT2020, Transfer: TransferPQ}},
		"a PNG's usual gamma":  {OfGamma(0.45455, Primaries{}), Space{}},
		"a PNG's linear":       {OfGamma(1, SRGB), Space{Transfer: TransferGamma, Gamma: 1}},
		"chromaticities of P3": {OfGamma(0.5, DisplayP3), Space{Primaries: DisplayP3, Transfer: TransferGamma, Gamma: 2}},
		"no triangle":          {OfGamma(0, Primaries{{0.3, 0.3}, {0.3, 0.3}, {0.3, 0.3}, {0.3, 0.3}}), Space{}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %+v, want %+v", name, c.got, c.want)
		}
	}
}

// The wanted values come from the formulas of ST 2084, BT.2100 and Chromium's curve.
func TestToneMap(t *testing.T) {
	sample := func(v float64) uint16 { return uint16(math.Round(v * 65535)) }
	for name, c := range map[string]struct {
		space Space
		value float64
		want  byte
	}{
		"PQ black":                  {Space{Transfer: TransferPQ}, 0, 0},
		"PQ white of graphics":      {Space{Transfer: TransferPQ}, 0.5806, 187},
		"PQ 1000 cd/m²":             {Space{Transfer: TransferPQ}, 0.7518, 234},
		"PQ 10000 cd/m²":            {Space{Transfer: TransferPQ}, 1, 255},
		"HLG white of graphics":     {Space{Primaries: BT2020, Transfer: TransferHLG}, 0.75, 191},
		"HLG peak":                  {Space{Primaries: BT2020, Transfer: TransferHLG}, 1, 255},
		"HLG black is not negative": {Space{Primaries: BT2020, Transfer: TransferHLG}, 0, 0},
	} {
		v := sample(c.value)
		got := c.space.ToneMap([]uint16{v, v, v, 0x8000}, 4)
		if math.Abs(float64(got[0])-float64(c.want)) > 1 || got[0] != got[1] || got[3] != 0x80 {
			t.Errorf("%s: %v, want %d", name, got, c.want)
		}
	}
}

// FuzzProfile reads profiles as a hostile original could contain them.
func FuzzProfile(f *testing.F) {
	f.Add(Space{}.Profile())
	f.Add(grey(parametric(4, 2.4, 1, 0, 0, 0, 0, 0)))
	f.Fuzz(func(t *testing.T, b []byte) {
		p := ReadProfile(b)
		for _, v := range p.GreyTable(4) {
			if !(v >= 0 && v <= 1) {
				t.Errorf("grey %v is outside 0 to 1", v)
			}
		}
		_ = p.Plain()
	})
}
