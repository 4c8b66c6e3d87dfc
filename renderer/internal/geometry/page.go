package geometry

import (
	"math"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// PageDPI is the number of dots in an inch of a page, as in Wikimedia's renderers and in MediaWiki
// ($wgPdfHandlerDpi).
const PageDPI = 150

const pointsPerInch = 72

// HeightOf returns the height, in pixels, of a page's thumbnail with the spec's width. The page's sides
// are in points and may be fractions. MediaWiki drops fractions of a point, then fractions of a dot
// (PdfImage).
func HeightOf(s thumbnail.Spec, sides [2]float64) int {
	if wide, high := dots(sides[0]), dots(sides[1]); !s.HalfToEven && wide >= 1 && high >= 1 {
		return proportion(int(high), s.Width, int(wide), halfUp)
	}
	return max(1, int(halfDown(sides[1]/sides[0]*float64(s.Width))))
}

func dots(points float64) float64 { return math.Trunc(math.Trunc(points) * PageDPI / pointsPerInch) }
