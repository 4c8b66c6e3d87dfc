package objectstore

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Sides is the width and height of the upright source of a thumbnail: in pixels, or in points of a
// page, which may be fractions. The zero value means unknown.
type Sides [2]float64

// Known reports whether both sides are known.
func (s Sides) Known() bool { return s[0] > 0 && s[1] > 0 }

// Whole returns the sides as pixels; ok is false for fractions and unknown sides.
func (s Sides) Whole() (width, height int, ok bool) {
	whole := s[0] == math.Trunc(s[0]) && s[1] == math.Trunc(s[1])
	return int(s[0]), int(s[1]), whole && s.Known()
}

// Text returns the sides as text, for stores with metadata in headers, or "" if they are unknown.
func (s Sides) Text() string {
	if !s.Known() {
		return ""
	}
	return fmt.Sprintf("%vx%v", s[0], s[1])
}

// ReadSides parses the result of Text. It returns unknown sides for any other text.
func ReadSides(text string) (s Sides) {
	wide, high, _ := strings.Cut(text, "x")
	width, err := strconv.ParseFloat(wide, 64)
	height, err2 := strconv.ParseFloat(high, 64)
	if err != nil || err2 != nil || !(width > 0) || !(height > 0) || math.IsInf(width+height, 0) {
		return Sides{}
	}
	return Sides{width, height}
}
