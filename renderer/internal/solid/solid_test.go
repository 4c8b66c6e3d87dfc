package solid

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
)

// cube returns the twelve triangles of a unit cube as a text STL.
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

// binaryOf returns a text STL as a binary STL.
func binaryOf(t *testing.T, text string) []byte {
	t.Helper()
	var all []triangle
	if err := triangles(strings.NewReader(text), func(t triangle) { all = append(all, t) }); err != nil {
		t.Fatal(err)
	}
	out := binary.LittleEndian.AppendUint32(make([]byte, guard.STLHeader-4), uint32(len(all)))
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
		t.Errorf("the picture of the binary STL differs: %v", err)
	}
}

// TestSpellings draws the cube from all ways to write it.
func TestSpellings(t *testing.T) {
	want, err := Draw(strings.NewReader(cube()), 64, 48)
	if err != nil {
		t.Fatal(err)
	}
	binary := string(binaryOf(t, cube()))
	for name, text := range map[string]string{
		"in capitals":                    strings.ToUpper(cube()),
		"on one line":                    strings.ReplaceAll(cube(), "\n", " "),
		"lines that end in CR":           strings.ReplaceAll(cube(), "\n", "\r"),
		"tabs":                           strings.ReplaceAll(cube(), " ", "\t\t"),
		"one word on each line":          strings.ReplaceAll(cube(), " ", "\r\n\v\f"),
		"a byte order mark":              "\ufeff" + cube(),
		"a name of keywords":             strings.Replace(cube(), "solid cube", "solid vertex 1 2 a", 1),
		"two solids":                     strings.Replace(cube(), "endfacet\n", "endfacet\nendsolid a vertex\nsolid b\n", 1),
		"truncated after the cube":       cube() + "solid\nfacet\nvertex 1 2",
		"binary":                         binary,
		"binary, called solid":           "solid facet" + binary[11:],
		"binary, with bytes after":       binary + "\x00\x00",
		"binary, solid with bytes after": "solid" + binary[5:] + "more",
	} {
		got, err := Draw(strings.NewReader(text), 64, 48)
		if err != nil || !bytes.Equal(got.Pixels, want.Pixels) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Draw shows flat bodies, even if their edge points to the camera.
func TestFlatBodies(t *testing.T) {
	for name, corners := range map[string]string{
		"lying":               "vertex 1 1 0 vertex -1 1 0 vertex 0 -1 0",
		"standing":            "vertex 0 1 1 vertex 0 -1 1 vertex 0 0 -1",
		"standing across":     "vertex 1 0 1 vertex -1 0 1 vertex 0 0 -1",
		"edge to 1st camera":  "vertex -1 -1 1 vertex 1 1 -1 vertex -1 -1 -1",
		"edge to 1st and 2nd": "vertex -2 -2 1 vertex 2 2 -1 vertex -2 -2 -1",
		"thin as paper":       "vertex 100 100 0 vertex -100 100 0.1 vertex 0 -100 0",
	} {
		p, err := Draw(strings.NewReader("solid a facet "+corners+" endfacet endsolid"), 64, 48)
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for i := 0; i < len(p.Pixels); i += 3 {
			if p.Pixels[i] > 0x40 {
				seen++
			}
		}
		if seen < 64*48/50 {
			t.Errorf("%s: the body covers %d pixels", name, seen)
		}
	}
}

func TestBrokenSolids(t *testing.T) {
	for name, text := range map[string]string{
		"no triangles":     "solid a\nendsolid\n",
		"a point":          "solid a\nfacet\nvertex 1 1 1\nvertex 1 1 1\nvertex 1 1 1\n",
		"two coordinates":  "solid a\nfacet\nvertex 1 1\n",
		"no numbers":       "solid a\nfacet\nvertex a b c\n",
		"huge coordinates": "solid a\nfacet\nvertex 1e300 0 0\nvertex 0 1e300 0\nvertex 0 0 1e300\n",
	} {
		if _, err := Draw(strings.NewReader(text), 10, 10); err == nil {
			t.Errorf("%s: Draw returns no error", name)
		}
	}
}

func FuzzDraw(f *testing.F) {
	f.Add([]byte(cube()))
	f.Add([]byte("solid a\nfacet\nvertex 1 2 3\nvertex 4 5 6\nvertex 7 8 10\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := Draw(bytes.NewReader(b), 8, 6); err == nil && len(p.Pixels) != 8*6*3 {
			t.Errorf("the picture has %d bytes", len(p.Pixels))
		}
	})
}
