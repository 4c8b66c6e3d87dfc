package filter

// Border finds what is left without a border of the colour of the top left corner,
// or of the bottom right one. A pixel is of that colour within the tolerance, the
// Euclidean distance over all bands. ok is false when nothing would be left.
//
// As in Thumbor, whose sizes these are, a row's first pixel of another colour says
// nothing about the right side: specks of one pixel are cut off there.
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

// Outline draws a white line of one pixel around an area, as far as it lies in the
// picture.
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
