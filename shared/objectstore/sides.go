package objectstore

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Sides is the width and height of what a thumbnail was scaled from, upright: pixels, or
// points of a page, which need not be whole. The zero value is not known.
type Sides [2]float64

// Known reports whether both sides are told.
func (s Sides) Known() bool { return s[0] > 0 && s[1] > 0 }

// Whole gives the sides as pixels; ok is false when they are no whole numbers.
func (s Sides) Whole() (width, height int, ok bool) {
	whole := s[0] == math.Trunc(s[0]) && s[1] == math.Trunc(s[1])
	return int(s[0]), int(s[1]), whole && s.Known()
}

// Text is the sides for stores whose metadata are headers; "" when they are not known.
func (s Sides) Text() string {
	if !s.Known() {
		return ""
	}
	return fmt.Sprintf("%vx%v", s[0], s[1])
}

// ReadSides reads what Text wrote. What is no such text is not known.
func ReadSides(text string) (s Sides) {
	wide, high, _ := strings.Cut(text, "x")
	width, err := strconv.ParseFloat(wide, 64)
	height, err2 := strconv.ParseFloat(high, 64)
	if err != nil || err2 != nil || !(width > 0) || !(height > 0) || math.IsInf(width+height, 0) {
		return Sides{}
	}
	return Sides{width, height}
}
