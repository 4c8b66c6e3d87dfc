package colour

import "math"

// Luminances in cd/m²: graphics white (ITU-R BT.2408, 3.1), the maximum of PQ (ST 2084), and the screen that HLG is
// defined for (BT.2100, table 5).
const (
	graphicsWhite = 203
	peakPQ        = 10_000
	peakHLG       = 1000
)

// ToneMap converts pixels of an HDR space into 8-bit sRGB. samples has 16 bits per sample, in 3 bands, or in 4 with
// alpha that is not premultiplied.
//
// The curve is extended Reinhard on the brightest channel. Graphics white is 1, and the transfer's peak becomes
// white. Chromium does the same for pictures without metadata on a screen without HDR.
func (s Space) ToneMap(samples []uint16, bands int) []byte {
	out := make([]byte, len(samples))
	m := s.Primaries.orSRGB().toSRGB()
	light := s.hdrTable()
	peak := float64(peakPQ) / graphicsWhite
	if s.Transfer == TransferHLG {
		peak = float64(peakHLG) / graphicsWhite
	}
	for i := 0; i+bands <= len(samples); i += bands {
		v := [3]float64{light[samples[i]>>tableShift], light[samples[i+1]>>tableShift], light[samples[i+2]>>tableShift]}
		if s.Transfer == TransferHLG {
			v = systemGamma(v)
		}
		v = m.times(v)
		scale := reinhard(max(v[0], v[1], v[2]), peak)
		for j := range 3 {
			out[i+j] = byte(math.Round(encoded(v[j]*scale) * 255))
		}
		if bands == 4 {
			out[i+3] = byte(samples[i+3] >> 8)
		}
	}
	return out
}

// tableShift keeps 12 bits of a sample, the depth of HDR pictures.
const tableShift = 4

// hdrTable returns the light of each 12-bit value. For PQ, 1 is graphics white; for HLG, 1 is the peak.
func (s Space) hdrTable() []float64 {
	table := make([]float64, 1<<(16-tableShift))
	for i := range table {
		v := float64(i) / float64(len(table)-1)
		if s.Transfer == TransferPQ {
			table[i] = pq(v) * peakPQ / graphicsWhite
		} else {
			table[i] = hlg(v)
		}
	}
	return table
}

// pq returns the light of a value by SMPTE ST 2084; 1 is 10 000 cd/m².
func pq(v float64) float64 {
	const m1, m2, c1, c2, c3 = 2610.0 / 16384, 2523.0 / 4096 * 128, 3424.0 / 4096, 2413.0 / 4096 * 32, 2392.0 / 4096 * 32
	p := math.Pow(v, 1/m2)
	return math.Pow(max(0, p-c1)/(c2-c3*p), 1/m1)
}

// hlg returns the scene light of a value by ARIB STD-B67, 0 to 1.
func hlg(v float64) float64 {
	const a, b, c = 0.17883277, 0.28466892, 0.55991073
	if v <= 0.5 {
		return v * v / 3
	}
	return (math.Exp((v-c)/a) + b) / 12
}

// systemGamma converts scene light into the light of a screen with a peak of 1000 cd/m² (BT.2100, table 5: gamma
// 1.2); 1 is graphics white.
func systemGamma(v [3]float64) [3]float64 {
	luma := 0.2627*v[0] + 0.6780*v[1] + 0.0593*v[2]
	if luma <= 0 {
		return [3]float64{}
	}
	scale := math.Pow(luma, 0.2) * peakHLG / graphicsWhite
	return [3]float64{v[0] * scale, v[1] * scale, v[2] * scale}
}

// reinhard returns the factor for light with the given brightest channel.
func reinhard(brightest, peak float64) float64 {
	if brightest <= 0 {
		return 1
	}
	return (1 + brightest/(peak*peak)) / (1 + brightest)
}
