package xcf

// put returns the result of a layer's pixel on the backdrop. blended is the blend of both; its alpha is the layer's,
// or the part that a subtraction leaves. alpha is the layer's alpha with its opacity and mask.
func (m mode) put(in, layer, blended pixel, alpha float32) pixel {
	switch m.action {
	case legacy:
		return putLegacy(in, layer, blended, alpha)
	case subtract:
		return m.putLess(in, layer, blended, alpha)
	case merge:
		return m.putMerged(in, layer, alpha)
	case split:
		return m.putSplit(in, layer, alpha)
	case passThrough:
		return in.toward(layer, alpha)
	}
	return m.putMore(in, layer, blended, alpha)
}

// mixed returns a with a part of b, at the given alpha.
func mixed(a, b pixel, part, alpha float32) pixel {
	return pixel{a[0] + (b[0]-a[0])*part, a[1] + (b[1]-a[1])*part, a[2] + (b[2]-a[2])*part, alpha}
}

func (p pixel) at(alpha float32) pixel { return pixel{p[0], p[1], p[2], alpha} }

// toward replaces a part of the backdrop by the layer.
func (p pixel) toward(layer pixel, part float32) pixel {
	alpha := (layer[3]-p[3])*part + p[3]
	if alpha != 0 {
		part *= layer[3] / alpha
	}
	return mixed(p, layer, part, alpha)
}

func (m mode) putMore(in, layer, blended pixel, alpha float32) pixel {
	switch m.cover {
	case clipToBackdrop:
		if in[3] == 0 {
			return in
		}
		return mixed(in, blended, alpha, in[3])
	case clipToLayer:
		return mixed(layer, blended, in[3], alpha)
	case intersection:
		return blended.at(in[3] * alpha)
	}
	all := alpha + (1-alpha)*in[3]
	if alpha == 0 || all == 0 {
		return in.at(all)
	}
	return mixed(in, mixed(layer, blended, in[3], 1), alpha/all, all)
}

// putLess is putMore for blends that remove alpha.
func (m mode) putLess(in, layer, blended pixel, alpha float32) pixel {
	left := blended[3]
	switch m.cover {
	case clipToBackdrop:
		all := 1 - alpha + left*alpha
		if left*alpha == 0 {
			return in.at(all * in[3])
		}
		return mixed(in, blended, left*alpha/all, all*in[3])
	case clipToLayer:
		all := 1 - in[3] + left*in[3]
		if all == 0 {
			return layer.at(0)
		}
		return mixed(layer, blended, left*in[3]/all, all*alpha)
	case intersection:
		return blended.at(in[3] * alpha * left)
	}
	all := in[3] + alpha - (2-left)*in[3]*alpha
	if alpha == 0 || all <= 0 {
		return in.at(max(0, all))
	}
	out := pixel{3: all}
	for c := range 3 {
		out[c] = (in[3]*alpha*left*blended[c] + (1-in[3])*alpha*layer[c] + in[3]*(1-alpha)*in[c]) / all
	}
	return out
}

// putLegacy composites as before GIMP 2.10: with the lesser alpha.
func putLegacy(in, layer, blended pixel, alpha float32) pixel {
	if layer[3] == 0 || in[3] == 0 || alpha == 0 {
		return in
	}
	part := min(in[3], layer[3]) * alpha / layer[3]
	return mixed(in, blended, part/(in[3]+(1-in[3])*part), in[3])
}

func (m mode) putMerged(in, layer pixel, alpha float32) pixel {
	switch m.cover {
	case clipToBackdrop:
		if more := alpha - 1 + in[3]; more > 0 {
			return mixed(in, layer, more/in[3], in[3])
		}
		return in
	case clipToLayer:
		return layer.at(alpha)
	case intersection:
		return layer.at(max(0, alpha-1+in[3]))
	}
	all := min(in[3], 1-alpha) + alpha
	if all == 0 {
		return in.at(0)
	}
	return mixed(in, layer, alpha/all, all)
}

func (m mode) putSplit(in, layer pixel, alpha float32) pixel {
	switch {
	case m.cover == intersection:
		return in.at(0)
	case m.cover != clipToBackdrop && alpha > in[3]:
		return layer.at(alpha - in[3])
	case m.cover == clipToLayer:
		return in.at(0)
	}
	return in.at(max(0, in[3]-alpha))
}
