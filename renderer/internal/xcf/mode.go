package xcf

// space is the colour space of a step; 0 leaves the space to the mode.
type space int

const (
	anySpace space = iota
	linearLight
	perceptual // with sRGB's curve
	lab
)

// The composite modes: the parts of the backdrop and the layer that the result covers.
const (
	union = iota + 1
	clipToBackdrop
	clipToLayer
	intersection
)

// action says how blended colours combine with the backdrop.
type action int

const (
	combine     action = iota
	subtract           // the blend removes alpha
	legacy             // as before GIMP 2.10
	dissolve           // a pixel is opaque or absent
	merge              // alphas add up
	split              // alphas are subtracted
	passThrough        // a group that draws onto the backdrop
)

// mode says how a layer combines with the layers below.
type mode struct {
	blend     func(in, layer pixel) pixel // nil means the layer's colours
	action    action
	blendIn   space // space of blend
	composite space // space of the composition with the backdrop
	cover     int
}

const modeNormal = 28

// modeOf returns a mode with the spaces and cover of a layer's properties. 0 or less leaves a property to the mode.
// Some modes ignore the properties.
func modeOf(number, blend, composite, cover int) mode {
	all := modes()
	if number < 0 || number >= len(all) {
		number = modeNormal
	}
	m := all[number]
	if m.action == legacy || number == 0 || number == 2 || number == 22 {
		return m
	}
	if (blend == 1 || blend == 2) && m.blendIn != anySpace && m.blendIn != lab && number != 56 {
		m.blendIn = space(blend)
	}
	if (composite == 1 || composite == 2) && m.composite != anySpace {
		m.composite = space(composite)
	}
	if cover >= union && cover <= intersection && m.action != passThrough {
		m.cover = cover
	}
	return m
}

func legacyMode(blend func(in, layer pixel) pixel) mode {
	return mode{blend, legacy, perceptual, perceptual, clipToBackdrop}
}

func newMode(s space, blend func(in, layer pixel) pixel) mode {
	return mode{blend, combine, s, linearLight, clipToBackdrop}
}

// modes returns all modes by GIMP's numbers, with the defaults of gimp-layer-modes.c.
func modes() []mode {
	overlaid := legacyMode(each(softLight))
	return []mode{
		{nil, combine, anySpace, perceptual, union}, // normal
		{nil, dissolve, anySpace, anySpace, union},
		{behind, combine, anySpace, perceptual, union},
		legacyMode(each(multiply)), legacyMode(each(screen)), overlaid, legacyMode(each(difference)),
		legacyMode(each(clamped(addition))), legacyMode(each(clamped(subtraction))), legacyMode(each(darken)), legacyMode(each(lighten)),
		legacyMode(legacyHue), legacyMode(legacySaturation), legacyMode(legacyColour), legacyMode(legacyValue),
		legacyMode(each(legacyDivide)), legacyMode(each(legacyDodge)), legacyMode(each(legacyBurn)), legacyMode(each(legacyHardLight)),
		overlaid, legacyMode(each(legacyGrainExtract)), legacyMode(each(legacyGrainMerge)),
		{colourErase, subtract, perceptual, perceptual, clipToBackdrop},
		newMode(perceptual, each(overlay)), newMode(lab, lchHue), newMode(lab, lchChroma), newMode(lab, lchColour), newMode(lab, lchLightness),
		{nil, combine, anySpace, linearLight, union}, {behind, combine, anySpace, linearLight, union},
		newMode(linearLight, each(multiply)), newMode(perceptual, each(screen)), newMode(perceptual, each(difference)),
		newMode(linearLight, each(addition)), newMode(linearLight, each(subtraction)),
		newMode(anySpace, each(darken)), newMode(anySpace, each(lighten)),
		newMode(perceptual, hsvHue), newMode(perceptual, hsvSaturation), newMode(perceptual, hslColour), newMode(perceptual, hsvValue),
		newMode(linearLight, each(divide)), newMode(perceptual, each(dodge)), newMode(perceptual, each(burn)),
		newMode(perceptual, each(hardLight)), newMode(perceptual, each(softLight)),
		newMode(perceptual, each(grainExtract)), newMode(perceptual, each(grainMerge)), newMode(perceptual, each(vividLight)),
		newMode(perceptual, each(pinLight)), newMode(perceptual, each(linearLightMode)), newMode(perceptual, each(hardMix)),
		newMode(perceptual, each(exclusion)), newMode(perceptual, each(linearBurn)),
		newMode(perceptual, lumaDarken), newMode(perceptual, lumaLighten), newMode(linearLight, luminance),
		{colourErase, subtract, linearLight, linearLight, clipToBackdrop},
		{erase, subtract, anySpace, linearLight, clipToBackdrop},
		{nil, merge, anySpace, linearLight, union},
		{nil, split, anySpace, anySpace, clipToBackdrop},
		{nil, passThrough, anySpace, linearLight, union},
	}
}
