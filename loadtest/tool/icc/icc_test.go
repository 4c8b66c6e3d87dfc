package icc

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

func TestColoursAreConverted(t *testing.T) {
	for name, c := range map[string]struct {
		from, want [3]uint8
		primaries  Primaries
		curve      Curve
	}{
		"sRGB is itself":      {[3]uint8{200, 60, 30}, [3]uint8{200, 60, 30}, BT709, SRGB},
		"grey of gamma 1.8":   {[3]uint8{127, 127, 127}, [3]uint8{145, 145, 145}, BT709, Gamma(1.8)},
		"linear light":        {[3]uint8{199, 60, 29}, [3]uint8{229, 133, 95}, BT709, Gamma(1)},
		"red and blue change": {[3]uint8{200, 60, 30}, [3]uint8{30, 60, 200}, Swapped, SRGB},
		"P3 red is clipped":   {[3]uint8{255, 0, 0}, [3]uint8{255, 0, 0}, P3, SRGB},
	} {
		if got := ToSRGB(c.from, c.primaries, c.curve); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Little CMS, which ImageMagick uses, reads the profiles and returns the same colours.
func TestLittleCMSAgrees(t *testing.T) {
	program, err := exec.LookPath("convert")
	if err != nil {
		t.Skip("ImageMagick is not installed")
	}
	dir := t.TempDir()
	write := func(name string, body []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, body, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	from := [3]uint8{180, 70, 40}
	m := image.NewRGBA(image.Rect(0, 0, 1, 1))
	m.SetRGBA(0, 0, color.RGBA{from[0], from[1], from[2], 255})
	var picture bytes.Buffer
	if err := png.Encode(&picture, m); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		make      func(string, Primaries, Curve) []byte
		primaries Primaries
		curve     Curve
	}{"P3": {RGB, P3, SRGB}, "Adobe": {RGB, Adobe, Gamma(2.2)}, "swapped": {RGB, Swapped, SRGB}, "tables": {Tables, Swapped, Gamma(1.8)}} {
		out := filepath.Join(dir, "out.png")
		command := exec.Command(program, write("in.png", picture.Bytes()), "-profile", write("from.icc", c.make(name, c.primaries, c.curve)),
			"-profile", write("srgb.icc", RGB("sRGB", BT709, SRGB)), "png32:"+out)
		if said, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v %s", name, err, said)
		}
		body, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		got, err := png.Decode(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r, g, b, _ := got.At(0, 0).RGBA()
		want := ToSRGB(from, c.primaries, c.curve)
		for i, v := range []uint32{r, g, b} {
			if d := int(v>>8) - int(want[i]); d < -2 || d > 2 {
				t.Errorf("%s: channel %d is %d, want %d", name, i, v>>8, want[i])
			}
		}
	}
}
