package tools

import (
	"bytes"
	"image"
	"image/png"
	"os/exec"
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// onPath has a red text on a path, in a box of 100 × 50.
const onPath = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 50"><path id="a" fill="none" d="M0 50H100"/>
<text font-size="60" fill="red"><textPath href="#a">MMMM</textPath></text></svg>`

func TestResvgDrawsTextsOnPaths(t *testing.T) {
	if _, err := exec.LookPath("resvg"); err != nil {
		t.Skip("resvg is not installed")
	}
	for name, c := range map[string]struct {
		spec          thumbnail.Spec
		width, height int
	}{
		"a width":  {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 200}, 200, 100},
		"a height": {thumbnail.Spec{Type: thumbnail.TypeSVG, Height: 30}, 60, 30},
		"a box":    {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 90, Height: 90, Stretch: true}, 90, 90},
	} {
		drawn, err := work(t, Request{Work: Draw, Spec: c.spec}, []byte(onPath))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		picture, err := png.Decode(bytes.NewReader(drawn))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if size := picture.Bounds().Size(); size.X != c.width || size.Y != c.height {
			t.Errorf("%s: %v, want %d × %d", name, size, c.width, c.height)
		}
		if !hasRed(picture) {
			t.Errorf("%s: no text", name)
		}
	}
}

// resvg reads UTF-8 alone; librsvg reads other encodings.
func TestLibrsvgDrawsWhatResvgRefuses(t *testing.T) {
	latin := "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><svg xmlns=\"http://www.w3.org/2000/svg\" width=\"2\" height=\"1\">" +
		"<rect width=\"2\" height=\"1\" fill=\"red\"/><text rotate=\"5\">\xe4</text></svg>"
	drawn, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 20}}, []byte(latin))
	if err != nil {
		t.Fatal(err)
	}
	if width, height, middle := raster(t, drawn); width != 20 || height != 10 || middle != [3]uint8{255, 0, 0} {
		t.Errorf("%d × %d, %v", width, height, middle)
	}
}

func hasRed(m image.Image) bool {
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if r, g, _, a := m.At(x, y).RGBA(); a > 0xf000 && r > 0xf000 && g < 0x1000 {
				return true
			}
		}
	}
	return false
}
