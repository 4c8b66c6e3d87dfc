package vips

import (
	"fmt"
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// A square in the middle stays in the middle, no matter which sides of the picture grow.
func TestEnlargingMovesNothing(t *testing.T) {
	const side = 8
	body := fmt.Appendf(nil, "P6\n%d %d\n255\n", side, side)
	for i := range side * side {
		x, y := i%side, i/side
		value := byte(0)
		if x >= 2 && x < side-2 && y >= 2 && y < side-2 {
			value = 255
		}
		body = append(body, value, value, value)
	}
	for _, size := range [][2]int{{9, 9}, {16, 16}, {33, 33}, {30, 8}, {30, 4}, {6, 30}} {
		m := read(t, body, nil).picture(t, thumbnail.Spec{Width: size[0], Height: size[1], Stretch: true, Enlarge: true, Format: thumbnail.FormatPNG})
		for i := range size[0] * size[1] {
			x, y := i%size[0], i/size[0]
			here, _, _, _ := m.At(x, y).RGBA()
			opposite, _, _, _ := m.At(size[0]-1-x, size[1]-1-y).RGBA()
			if d := int(here>>8) - int(opposite>>8); d < -3 || d > 3 {
				t.Fatalf("%d × %d: %d at %d, %d; %d opposite", size[0], size[1], here>>8, x, y, opposite>>8)
			}
		}
	}
}
