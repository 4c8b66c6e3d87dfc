package icc

// d50 is the white of all profiles.
var d50 = [3]float64{0.9642, 1, 0.8249}

// matrix has three rows.
type matrix [3][3]float64

func (m matrix) apply(v [3]float64) (out [3]float64) {
	for i := range 3 {
		for k := range 3 {
			out[i] += m[i][k] * v[k]
		}
	}
	return out
}

func (m matrix) times(n matrix) (out matrix) {
	for i := range 3 {
		for j := range 3 {
			for k := range 3 {
				out[i][j] += m[i][k] * n[k][j]
			}
		}
	}
	return out
}

func (m matrix) inverse() (out matrix) {
	minor := func(r, c int) float64 {
		a, b, x, y := (r+1)%3, (r+2)%3, (c+1)%3, (c+2)%3
		return m[a][x]*m[b][y] - m[a][y]*m[b][x]
	}
	determinant := m[0][0]*minor(0, 0) + m[0][1]*minor(0, 1) + m[0][2]*minor(0, 2)
	for i := range 3 {
		for j := range 3 {
			out[i][j] = minor(j, i) / determinant
		}
	}
	return out
}

// white returns a chromaticity as X, Y and Z with Y = 1.
func (c Chromaticity) white() [3]float64 { return [3]float64{c.X / c.Y, 1, (1 - c.X - c.Y) / c.Y} }

// matrix returns the conversion from linear RGB to XYZ.
func (p Primaries) matrix() (m matrix) {
	for i, c := range []Chromaticity{p.Red, p.Green, p.Blue} {
		column := c.white()
		for k := range 3 {
			m[k][i] = column[k]
		}
	}
	scale := m.inverse().apply(p.White.white())
	for k := range 3 {
		for i := range 3 {
			m[k][i] *= scale[i]
		}
	}
	return m
}

// bradford returns the adaptation of XYZ from a white to D50.
func bradford(white Chromaticity) matrix {
	cones := matrix{{0.8951, 0.2664, -0.1614}, {-0.7502, 1.7135, 0.0367}, {0.0389, -0.0685, 1.0296}}
	from, to := cones.apply(white.white()), cones.apply(d50)
	var scale matrix
	for i := range 3 {
		scale[i][i] = to[i] / from[i]
	}
	return cones.inverse().times(scale).times(cones)
}
