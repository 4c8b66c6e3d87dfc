package vips

const maxColours = 256

// indexed is a picture of few colours.
type indexed struct {
	width, height int
	colours       []uint32 // red in the highest byte, alpha in the lowest
	places        []byte   // of each pixel's colour
}

// indexed returns the picture by a palette, or nil where it has grey alone or more than
// maxColours.
func (m raw) indexed() *indexed {
	if m.bands < 3 {
		return nil
	}
	i := &indexed{width: m.width, height: m.height, places: make([]byte, m.width*m.height)}
	known := map[uint32]byte{}
	last, place, found := uint32(0), byte(0), false
	for at := range i.places {
		c := m.colour(at)
		if !found || c != last {
			if place, found = known[c]; !found {
				if len(i.colours) == maxColours {
					return nil
				}
				place = byte(len(i.colours)) //nolint:gosec // below maxColours
				known[c], found = place, true
				i.colours = append(i.colours, c)
			}
			last = c
		}
		i.places[at] = place
	}
	return i
}

func (m raw) colour(at int) uint32 {
	p := m.pixels[at*m.bands : (at+1)*m.bands]
	alpha := uint32(255)
	if m.bands == 4 {
		alpha = uint32(p[3])
	}
	return uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | alpha
}

// depth is how many bits a pixel takes.
func (i *indexed) depth() int {
	for _, bits := range []int{1, 2, 4} {
		if len(i.colours) <= 1<<bits {
			return bits
		}
	}
	return 8
}

// rows are packed, each after the number of no filter.
func (i *indexed) rows() []byte {
	bits := i.depth()
	length := (i.width*bits + 7) / 8
	rows := make([]byte, (length+1)*i.height)
	for y := range i.height {
		row := rows[y*(length+1)+1:]
		for x, place := range i.places[y*i.width : (y+1)*i.width] {
			row[x*bits/8] |= place << (8 - bits - x*bits%8)
		}
	}
	return rows
}

func (i *indexed) file(data []byte) []byte {
	var palette, alpha []byte
	for at, c := range i.colours {
		palette = append(palette, byte(c>>24), byte(c>>16), byte(c>>8))
		if byte(c) != 255 {
			for len(alpha) < at {
				alpha = append(alpha, 255)
			}
			alpha = append(alpha, byte(c))
		}
	}
	further := [][]byte{chunk("PLTE", palette)}
	if len(alpha) > 0 {
		further = append(further, chunk("tRNS", alpha))
	}
	return pngFile(i.width, i.height, i.depth(), 3, data, further...)
}
