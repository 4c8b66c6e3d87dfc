package solid

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
)

// cube is twelve triangles of a unit cube, as text.
func cube() string {
	var b strings.Builder
	b.WriteString("solid cube\n")
	corner := func(i int) [3]int { return [3]int{i & 1, i >> 1 & 1, i >> 2 & 1} }
	for _, face := range [][4]int{{0, 1, 3, 2}, {4, 5, 7, 6}, {0, 1, 5, 4}, {2, 3, 7, 6}, {0, 2, 6, 4}, {1, 3, 7, 5}} {
		for _, t := range [][3]int{{face[0], face[1], face[2]}, {face[0], face[2], face[3]}} {
			b.WriteString("facet normal 0 0 0\nouter loop\n")
			for _, i := range t {
				c := corner(i)
				fmt.Fprintf(&b, "  vertex %d %d %d\n", c[0], c[1], c[2])
			}
			b.WriteString("endloop\nendfacet\n")
		}
	}
	return b.String() + "endsolid\n"
}

// binaryOf is the same as binary STL.
func binaryOf(t *testing.T, text string) []byte {
	t.Helper()
	var all []triangle
	if err := triangles(strings.NewReader(text), func(t triangle) { all = append(all, t) }); err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint32(make([]byte, headerSize), uint32(len(all)))
	for _, t := range all {
		out = append(out, make([]byte, 12)...)
		for i := range 9 {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(float32(t[i/3][i%3])))
		}
		out = append(out, 0, 0)
	}
	return out
}

func TestACubeIsSeenFromAbove(t *testing.T) {
	p, err := Draw(strings.NewReader(cube()), 64, 48)
	if err != nil {
		t.Fatal(err)
	}
	light := func(x, y int) byte { return p.Pixels[(y*p.Width+x)*3] }
	top, front := light(32, 18), light(28, 30)
	if light(0, 0) != 0x22 || top <= front || front <= 0x22 {
		t.Errorf("background %#x, top %#x, front %#x", light(0, 0), top, front)
	}
	again, err := Draw(bytes.NewReader(binaryOf(t, cube())), 64, 48)
	if err != nil || !bytes.Equal(again.Pixels, p.Pixels) {
		t.Errorf("binary differs from text: %v", err)
	}
}

func TestWhatIsNoSolid(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":            "solid a\nendsolid\n",
		"a point":            "solid a\nvertex 1 1 1\nvertex 1 1 1\nvertex 1 1 1\n",
		"two coordinates":    "solid a\nvertex 1 1\n",
		"no numbers":         "solid a\nvertex a b c\n",
		"beyond all numbers": "solid a\nvertex 1e300 0 0\nvertex 0 1e300 0\nvertex 0 0 1e300\n",
	} {
		if _, err := Draw(strings.NewReader(text), 10, 10); err == nil {
			t.Errorf("%s was drawn", name)
		}
	}
}

func FuzzDraw(f *testing.F) {
	f.Add([]byte(cube()))
	f.Add([]byte("solid a\nvertex 1 2 3\nvertex 4 5 6\nvertex 7 8 10\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := Draw(bytes.NewReader(b), 8, 6); err == nil && len(p.Pixels) != 8*6*3 {
			t.Errorf("%d bytes", len(p.Pixels))
		}
	})
}
