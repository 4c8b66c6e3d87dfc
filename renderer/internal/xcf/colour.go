package xcf

import "math"

// curves holds sRGB's transfer functions as tables, because most layers need them.
type curves struct{ toLinear, toPerceptual [steps + 2]float32 }

const steps = 8192

func newCurves() *curves {
	c := &curves{}
	for i := range c.toLinear {
		v := float64(i) / steps
		c.toLinear[i], c.toPerceptual[i] = float32(decode(v)), float32(encode(v))
	}
	return c
}

func decode(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func encode(v float64) float64 {
	if v <= 0.0031308 {
		return v * 12.92
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

func through(table *[steps + 2]float32, v float32) float32 {
	at := v * steps
	i := int(at)
	return table[i] + (table[i+1]-table[i])*(at-float32(i))
}

// linear and perceptual convert one channel. The curve continues below black and above white.
func (c *curves) linear(v float32) float32 {
	if v >= 0 && v <= 1 {
		return through(&c.toLinear, v)
	}
	return float32(decode(float64(v)))
}

func (c *curves) perceptual(v float32) float32 {
	if v >= 0 && v <= 1 {
		return through(&c.toPerceptual, v)
	}
	return float32(encode(float64(v)))
}

// convert converts a pixel between spaces.
func (c *curves) convert(p pixel, from, to space) pixel {
	switch {
	case from == to:
		return p
	case from == perceptual:
		p = pixel{c.linear(p[0]), c.linear(p[1]), c.linear(p[2]), p[3]}
	case from == lab:
		p = fromLab(p)
	}
	switch to {
	case perceptual:
		p = pixel{c.perceptual(p[0]), c.perceptual(p[1]), c.perceptual(p[2]), p[3]}
	case lab:
		p = toLab(p)
	}
	return p
}

// CIE Lab for sRGB's primaries adapted to D50, with babl's numbers.
const (
	whiteX, whiteZ = 0.96420288, 0.82490540
	labEpsilon     = 216.0 / 24389
	labKappa       = 24389.0 / 27
)

func toLab(p pixel) pixel {
	r, g, b := float64(p[0]), float64(p[1]), float64(p[2])
	x := 0.43603516*r + 0.38511658*g + 0.14305115*b
	y := 0.22248840*r + 0.71690369*g + 0.06060791*b
	z := 0.01391602*r + 0.09706116*g + 0.71392822*b
	fx, fy, fz := labCurve(x/whiteX), labCurve(y), labCurve(z/whiteZ)
	return pixel{float32(116*fy - 16), float32(500 * (fx - fy)), float32(200 * (fy - fz)), p[3]}
}

func labCurve(v float64) float64 {
	if v > labEpsilon {
		return math.Cbrt(v)
	}
	return (labKappa*v + 16) / 116
}

func fromLab(p pixel) pixel {
	fy := (float64(p[0]) + 16) / 116
	x, y, z := labInverse(fy+float64(p[1])/500)*whiteX, labInverse(fy), labInverse(fy-float64(p[2])/200)*whiteZ
	return pixel{
		float32(3.13415592*x - 1.61738670*y - 0.49066385*z),
		float32(-0.97878047*x + 1.91613642*y + 0.03344614*z),
		float32(0.07197093*x - 0.22899554*y + 1.40532601*z), p[3],
	}
}

func labInverse(f float64) float64 {
	if f*f*f > labEpsilon {
		return f * f * f
	}
	return (116*f - 16) / labKappa
}
