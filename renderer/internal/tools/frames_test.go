package tools

import (
	"bytes"
	"image"
	"image/color"
	"image/gif"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// redAndBlue returns a GIF with two frames of 40 × 30 pixels on a screen of the same size. The second
// frame lies at the offset at.
func redAndBlue(t *testing.T, at image.Point) []byte {
	t.Helper()
	g := &gif.GIF{Config: image.Config{Width: 100, Height: 100}}
	for i, c := range []color.Color{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 0, 255, 255}} {
		m := image.NewPaletted(image.Rect(0, 0, 40, 30).Add(at.Mul(i)), color.Palette{c, color.White})
		g.Image, g.Delay = append(g.Image, m), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, g); err != nil {
		t.Fatal(err)
	}
	body := b.Bytes()
	body[6], body[8] = 40, 30 // Go's encoder refuses this size for frames beyond the screen
	return body
}

func TestFramesOfAGIF(t *testing.T) {
	if Open().paths["gifsicle"] == "" {
		t.Skip("gifsicle is not installed")
	}
	for name, c := range map[string]struct {
		at            image.Point
		spec          thumbnail.Spec
		frames        int
		width, height int
	}{
		"on the screen":             {image.Point{}, thumbnail.Spec{Width: 20, MaxAnimatedArea: 1 << 20}, 2, 20, 15},
		"beyond the screen":         {image.Point{20, 15}, thumbnail.Spec{Width: 20, MaxAnimatedArea: 1 << 20}, 2, 20, 15},
		"as many pixels as allowed": {image.Point{}, thumbnail.Spec{Width: 80, Enlarge: true, MaxAnimatedArea: 2 * 80 * 60}, 2, 80, 60},
		"a thumbnail beyond that":   {image.Point{}, thumbnail.Spec{Width: 80, Enlarge: true, MaxAnimatedArea: 2*80*60 - 1}, 1, 80, 60},
		"an original beyond that":   {image.Point{}, thumbnail.Spec{Width: 4, MaxAnimatedArea: 2*40*30 - 1}, 1, 4, 3},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Type = thumbnail.TypeGIF
			body, err := work(t, Request{Work: Animate, Spec: c.spec}, redAndBlue(t, c.at))
			if err != nil {
				t.Fatal(err)
			}
			h, err := guard.Inspect(bytes.NewReader(body), int64(len(body)), thumbnail.TypeGIF, 1<<20)
			if err != nil || h.Frames != c.frames || h.Width != c.width || h.Height != c.height {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
}

func TestAnAnimatedJXLGivesItsFirstFrame(t *testing.T) {
	if Open().paths["djxl"] == "" {
		t.Skip("djxl is not installed")
	}
	moving := madeOf(t, redAndBlue(t, image.Point{}), "in.gif", "out.jxl", "cjxl", "in.gif", "out.jxl", "--distance=0")
	body, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypeJXL}}, moving)
	if err != nil {
		t.Fatal(err)
	}
	if w, h, middle := raster(t, body); w != 40 || h != 30 || middle != red {
		t.Errorf("%d × %d, %v", w, h, middle)
	}
}

// madeOf returns the file that a program makes from the file in, whose content is body.
func madeOf(t *testing.T, body []byte, in, out, program string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, in), body, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, text)
	}
	made, err := os.ReadFile(filepath.Join(dir, out))
	if err != nil {
		t.Fatal(err)
	}
	return made
}
