package geometry

// HeightOf returns the height, in pixels, of a page's thumbnail with the given width. The page's sides may be
// fractions.
func HeightOf(sides [2]float64, width int) int {
	return max(1, int(halfDown(sides[1]/sides[0]*float64(width))))
}
