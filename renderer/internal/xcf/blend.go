package xcf

import "math"

// pixel holds red, green, blue and alpha; colours are not multiplied by alpha. In the Lab space the first three are
// lightness, a and b.
type pixel [4]float32

// tiny is GIMP's threshold for zero.
const tiny = 1e-6

// each returns a blend of pixels that applies f to each colour channel. Alpha is the layer's.
func each(f func(in, layer float32) float32) func(in, layer pixel) pixel {
	return func(in, layer pixel) pixel {
		return pixel{f(in[0], layer[0]), f(in[1], layer[1]), f(in[2], layer[2]), layer[3]}
	}
}

func clamped(f func(in, layer float32) float32) func(in, layer float32) float32 {
	return func(in, layer float32) float32 { return clamp(f(in, layer)) }
}

// ratio divides a by b, and bounds the result to ±1/tiny; a near zero gives 0.
func ratio(a, b float32) float32 {
	if float32(math.Abs(float64(a))) <= tiny {
		return 0
	}
	return max(-1/tiny, min(1/tiny, a/b))
}

func addition(in, layer float32) float32     { return in + layer }
func subtraction(in, layer float32) float32  { return in - layer }
func multiply(in, layer float32) float32     { return in * layer }
func screen(in, layer float32) float32       { return 1 - (1-in)*(1-layer) }
func darken(in, layer float32) float32       { return min(in, layer) }
func lighten(in, layer float32) float32      { return max(in, layer) }
func difference(in, layer float32) float32   { return max(in-layer, layer-in) }
func divide(in, layer float32) float32       { return ratio(in, layer) }
func dodge(in, layer float32) float32        { return ratio(in, 1-layer) }
func burn(in, layer float32) float32         { return 1 - ratio(1-in, layer) }
func exclusion(in, layer float32) float32    { return 0.5 - 2*(in-0.5)*(layer-0.5) }
func grainExtract(in, layer float32) float32 { return in - layer + 0.5 }
func grainMerge(in, layer float32) float32   { return in + layer - 0.5 }
func linearBurn(in, layer float32) float32   { return in + layer - 1 }
func softLight(in, layer float32) float32 {
	return (1-in)*multiply(in, layer) + in*screen(in, layer)
}
func linearLightMode(in, layer float32) float32 { return in + 2*layer - 1 }

func hardMix(in, layer float32) float32 {
	if in+layer < 1 {
		return 0
	}
	return 1
}

func overlay(in, layer float32) float32 {
	if in < 0.5 {
		return 2 * in * layer
	}
	return 1 - 2*(1-layer)*(1-in)
}

func hardLight(in, layer float32) float32 {
	if layer > 0.5 {
		return min(1-(1-in)*(1-(layer-0.5)*2), 1)
	}
	return min(in*layer*2, 1)
}

func pinLight(in, layer float32) float32 {
	if layer > 0.5 {
		return max(in, 2*(layer-0.5))
	}
	return min(in, 2*layer)
}

func vividLight(in, layer float32) float32 {
	if layer <= 0.5 {
		return max(1-ratio(1-in, 2*layer), 0)
	}
	return min(ratio(in, 2*(1-layer)), 1)
}

// The modes before GIMP 2.10 have their middle at 128 of 255, and divide without ratio.
const legacyMiddle = 128.0 / 255

func legacyDivide(in, layer float32) float32 { return clamp(in / layer) }
func legacyDodge(in, layer float32) float32  { return clamp(in / (1 - layer)) }

func legacyBurn(in, layer float32) float32 {
	v := 1 - (1-in)/layer
	if v != v {
		return 1
	}
	return clamp(v)
}

func legacyGrainExtract(in, layer float32) float32 { return clamp(in - layer + legacyMiddle) }
func legacyGrainMerge(in, layer float32) float32   { return clamp(in + layer - legacyMiddle) }

func legacyHardLight(in, layer float32) float32 {
	if layer > legacyMiddle {
		return min(1-(1-in)*(1-(layer-legacyMiddle)*2), 1)
	}
	return min(in*layer*2, 1)
}

func behind(in, layer pixel) pixel { return pixel{in[0], in[1], in[2], layer[3]} }
func erase(in, _ pixel) pixel      { return pixel{in[0], in[1], in[2], 0} }

// luma weights by the luminances of sRGB's primaries, adapted to D50.
func luma(p pixel) float32 { return 0.22248840*p[0] + 0.71690369*p[1] + 0.06060791*p[2] }

func lumaDarken(in, layer pixel) pixel {
	if luma(in) <= luma(layer) {
		return behind(in, layer)
	}
	return layer
}

func lumaLighten(in, layer pixel) pixel {
	if luma(in) >= luma(layer) {
		return behind(in, layer)
	}
	return layer
}

func luminance(in, layer pixel) pixel { return scaled(in, ratio(luma(layer), luma(in)), 0, layer[3]) }

// colourErase removes the layer's colour from the backdrop's colour.
func colourErase(in, layer pixel) pixel {
	var alpha float32
	for c := range 3 {
		colour, taken := clamp(in[c]), clamp(layer[c])
		switch {
		case colour > taken+tiny:
			alpha = max(alpha, (colour-taken)/(1-taken))
		case colour < taken-tiny:
			alpha = max(alpha, (taken-colour)/taken)
		}
	}
	if alpha <= tiny {
		return pixel{0, 0, 0, alpha}
	}
	out := pixel{3: alpha}
	for c := range 3 {
		out[c] = (in[c]-layer[c])/alpha + layer[c]
	}
	return out
}

// scaled multiplies the colours and adds an offset. The modes of hue, saturation and so on move a pixel's colours
// along the grey axis this way.
func scaled(p pixel, by, offset, alpha float32) pixel {
	return pixel{p[0]*by + offset, p[1]*by + offset, p[2]*by + offset, alpha}
}

func extent(p pixel) (least, most float32) {
	return min(p[0], p[1], p[2]), max(p[0], p[1], p[2])
}

func hsvHue(in, layer pixel) pixel {
	least, most := extent(layer)
	if most-least <= tiny {
		return behind(in, layer)
	}
	inLeast, inMost := extent(in)
	by := (inMost - inLeast) / (most - least)
	return scaled(layer, by, inMost-most*by, layer[3])
}

func hsvSaturation(in, layer pixel) pixel {
	least, most := extent(in)
	if most-least <= tiny {
		return pixel{most, most, most, layer[3]}
	}
	layerLeast, layerMost := extent(layer)
	var saturation float32
	if layerMost != 0 {
		saturation = (layerMost - layerLeast) / layerMost
	}
	by := saturation * most / (most - least)
	return scaled(in, by, (1-by)*most, layer[3])
}

func hsvValue(in, layer pixel) pixel {
	_, most := extent(in)
	_, value := extent(layer)
	if most <= tiny && most >= -tiny {
		return pixel{value, value, value, layer[3]}
	}
	return scaled(in, value/most, 0, layer[3])
}

func hslColour(in, layer pixel) pixel {
	least, most := extent(in)
	light := (least + most) / 2
	least, most = extent(layer)
	colour := (least + most) / 2
	if colour <= tiny && colour >= -tiny || 1-colour <= tiny && 1-colour >= -tiny {
		return pixel{light, light, light, layer[3]}
	}
	high, colourHigh := light > 0.5, colour > 0.5
	light, colour = min(light, 1-light), min(colour, 1-colour)
	by := light / colour
	var offset float32
	if high {
		offset += 1 - 2*light
	}
	if colourHigh {
		offset += 2*light - by
	}
	return scaled(layer, by, offset, layer[3])
}

// The modes before GIMP 2.10; legacy puts them together differently.

func legacyHue(in, layer pixel) pixel        { return hsvHue(in, layer) }
func legacySaturation(in, layer pixel) pixel { return legacyGrey(in, layer, hsvSaturation) }
func legacyValue(in, layer pixel) pixel      { return hsvValue(in, layer) }

// legacyGrey blends a grey backdrop as if its hue were red.
func legacyGrey(in, layer pixel, blend func(in, layer pixel) pixel) pixel {
	if least, most := extent(in); most-least > tiny {
		return blend(in, layer)
	}
	least, most := extent(layer)
	if most-least <= 1e-4 {
		return behind(in, layer)
	}
	low := in[0] * (1 - (most-least)/most)
	return pixel{in[0], low, low, layer[3]}
}

func legacyColour(in, layer pixel) pixel { return hslColour(in, layer) }

func lchLightness(in, layer pixel) pixel { return pixel{layer[0], in[1], in[2], layer[3]} }
func lchColour(in, layer pixel) pixel    { return pixel{in[0], layer[1], layer[2], layer[3]} }

func lchHue(in, layer pixel) pixel {
	if chroma(layer) <= tiny {
		return behind(in, layer)
	}
	by := chroma(in) / chroma(layer)
	return pixel{in[0], layer[1] * by, layer[2] * by, layer[3]}
}

func lchChroma(in, layer pixel) pixel {
	if chroma(in) <= tiny {
		return behind(in, layer)
	}
	by := chroma(layer) / chroma(in)
	return pixel{in[0], in[1] * by, in[2] * by, layer[3]}
}

func chroma(p pixel) float32 { return float32(math.Hypot(float64(p[1]), float64(p[2]))) }
