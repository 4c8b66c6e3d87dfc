package xcf

// space is in which a step computes; 0 leaves it to the mode.
type space int

const (
	anySpace space = iota
	linearLight
	perceptual // with the curve of sRGB
	lab
)

// The composite modes: which of the backdrop and the layer the result covers.
const (
	union = iota + 1
	clipToBackdrop
	clipToLayer
	intersection
)

// action is how blended colours come together with the backdrop.
type action int

const (
	combine     action = iota
	subtract           // the blend takes alpha away
	legacy             // as before GIMP 2.10
	dissolve           // a pixel is there or not
	merge              // alphas add up
	split              // alphas are subtracted
	passThrough        // a group that draws onto the backdrop
)

// mode is how a layer is put onto what is below it.
type mode struct {
	blend     func(in, layer pixel) pixel // nil: the layer's colours
	action    action
	blendIn   space // where blend computes
	composite space // where its result is put together with the backdrop
	cover     int
}

const modeNormal = 28

// modeOf gives a mode with what the layer's properties say of its spaces and its
// cover: 0 or less leaves it to the mode, as do modes that do not let it be changed.
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

// modes lists them by GIMP's numbers, with the defaults of gimp-layer-modes.c.
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
