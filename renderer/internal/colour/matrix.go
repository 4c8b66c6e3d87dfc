package colour

// matrix has three rows.
type matrix [3][3]float64

// bradford is the matrix that adapts white points (ICC.1:2022, annex E).
var bradford = matrix{{0.8951, 0.2664, -0.1614}, {-0.7502, 1.7135, 0.0367}, {0.0389, -0.0685, 1.0296}}

// d50 is the white point of profiles.
var d50 = [3]float64{0.9642, 1, 0.8249}

func (m matrix) times(v [3]float64) (out [3]float64) {
	for i := range m {
		out[i] = m[i][0]*v[0] + m[i][1]*v[1] + m[i][2]*v[2]
	}
	return out
}

func (m matrix) mul(n matrix) (out matrix) {
	for i := range m {
		for j := range 3 {
			out[i][j] = m[i][0]*n[0][j] + m[i][1]*n[1][j] + m[i][2]*n[2][j]
		}
	}
	return out
}

func (m matrix) determinant() float64 {
	return m[0][0]*(m[1][1]*m[2][2]-m[1][2]*m[2][1]) -
		m[0][1]*(m[1][0]*m[2][2]-m[1][2]*m[2][0]) +
		m[0][2]*(m[1][0]*m[2][1]-m[1][1]*m[2][0])
}

// inverse returns the inverse; the determinant must not be 0.
func (m matrix) inverse() (out matrix) {
	d := m.determinant()
	for i := range 3 {
		for j := range 3 {
			a, b := (j+1)%3, (j+2)%3
			c, e := (i+1)%3, (i+2)%3
			out[i][j] = (m[a][c]*m[b][e] - m[a][e]*m[b][c]) / d
		}
	}
	return out
}

// toXYZ returns the matrix from light of these primaries to CIE XYZ, with Y 1 for white. Primaries on one line give
// the zero matrix.
func (p Primaries) toXYZ() matrix {
	var m matrix
	for i, c := range p[:3] {
		m[0][i], m[1][i], m[2][i] = c[0]/c[1], 1, (1-c[0]-c[1])/c[1]
	}
	if m.determinant() == 0 {
		return matrix{}
	}
	share := m.inverse().times(p.white())
	for i := range m {
		for j := range 3 {
			m[i][j] *= share[j]
		}
	}
	return m
}

func (p Primaries) white() [3]float64 {
	x, y := p[3][0], p[3][1]
	return [3]float64{x / y, 1, (1 - x - y) / y}
}

// toD50 returns the matrix from light of these primaries to XYZ, adapted to D50.
func (p Primaries) toD50() matrix {
	from, to := bradford.times(p.white()), bradford.times(d50)
	var scale matrix
	for i := range 3 {
		scale[i][i] = to[i] / from[i]
	}
	return bradford.inverse().mul(scale).mul(bradford).mul(p.toXYZ())
}

// toSRGB returns the matrix from light of these primaries to sRGB's primaries. White stays white.
func (p Primaries) toSRGB() matrix { return SRGB.toD50().inverse().mul(p.toD50()) }
