package geometry

// HeightOf is the height, in pixels, of a thumbnail of that width of a page whose sides need
// not be whole.
func HeightOf(sides [2]float64, width int) int {
	return max(1, int(halfDown(sides[1]/sides[0]*float64(width))))
}
