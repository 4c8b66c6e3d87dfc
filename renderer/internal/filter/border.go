package filter

// Border returns the area inside a border with the colour of the top left or the bottom right corner. A pixel belongs
// to the border if its Euclidean distance over all bands is within the tolerance. ok is false when the border covers
// everything.
//
// Sizes equal Thumbor's: a row's first pixel of another colour does not move the right side, so that specks of one
// pixel are cut off there.
func Border(p *Picture, bottomRight bool, tolerance int) (rest Area, ok bool) {
	corner := p.Pix[:p.Bands]
	if bottomRight {
		corner = p.Pix[len(p.Pix)-p.Bands:]
	}
	border := func(x, y int) bool {
		sum := 0
		for c, v := range p.row(y)[x*p.Bands:][:p.Bands] {
			d := int(v) - int(corner[c])
			sum += d * d
		}
		return sum <= tolerance*tolerance
	}
	rest = Area{Left: p.Width, Top: p.Height, Right: 1}
	for y := range p.Height {
		left := 0
		for left < p.Width && border(left, y) {
			left++
		}
		if left == p.Width {
			continue
		}
		right := p.Width
		for right > max(left+1, rest.Right) && border(right-1, y) {
			right--
		}
		if right > left+1 {
			rest.Right = max(rest.Right, right)
		}
		rest = Area{min(rest.Left, left), min(rest.Top, y), rest.Right, y + 1}
	}
	return rest, rest.Right > rest.Left
}

// Outline draws the part of a white line around an area, one pixel wide, that lies in the picture.
func Outline(p *Picture, a Area) {
	white := func(x, y int) {
		if x >= 0 && y >= 0 && x < p.Width && y < p.Height {
			for c := range p.Bands {
				p.Pix[(y*p.Width+x)*p.Bands+c] = 255
			}
		}
	}
	for x := max(a.Left, 0); x <= min(a.Right, p.Width-1); x++ {
		white(x, a.Top)
		white(x, a.Bottom)
	}
	for y := max(a.Top, 0); y <= min(a.Bottom, p.Height-1); y++ {
		white(a.Left, y)
		white(a.Right, y)
	}
}
