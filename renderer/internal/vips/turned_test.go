package vips

import (
	"bytes"
	"image"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// An AVIF names a turn only for its colours; the turn holds for its alpha too.
func TestAlphaTurnsWithThePicture(t *testing.T) {
	if _, err := exec.LookPath("avifenc"); err != nil {
		t.Skip("avifenc is not installed")
	}
	const wide, high = 64, 32 // red at the left, transparent at the upper left, blue at the right
	m := image.NewNRGBA(image.Rect(0, 0, wide, high))
	for i := range wide * high {
		c := color.NRGBA{R: 255, A: 255}
		if i%wide >= wide/2 {
			c = color.NRGBA{B: 255, A: 255}
		} else if i/wide < high/2 {
			c.A = 0
		}
		m.SetNRGBA(i%wide, i/wide, c)
	}
	dir := t.TempDir()
	png, err := samples.PNG(m)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "in.png"), png, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	for turn, at := range map[string]struct{ transparent, red, blue image.Point }{ // anticlockwise, then mirrored
		"--irot 0":                {image.Pt(8, 8), image.Pt(8, 24), image.Pt(48, 16)},
		"--irot 1":                {image.Pt(8, 56), image.Pt(24, 56), image.Pt(16, 16)},
		"--irot 2":                {image.Pt(56, 24), image.Pt(56, 8), image.Pt(16, 16)},
		"--irot 3":                {image.Pt(24, 8), image.Pt(8, 8), image.Pt(16, 48)},
		"-d 10 --imir 0":          {image.Pt(8, 24), image.Pt(8, 8), image.Pt(48, 16)},
		"-d 10 --imir 1":          {image.Pt(56, 8), image.Pt(56, 24), image.Pt(16, 16)},
		"-d 10 --irot 1 --imir 1": {image.Pt(24, 56), image.Pt(8, 56), image.Pt(16, 16)},
	} {
		cmd := exec.Command("avifenc", append(append([]string{"--lossless"}, strings.Fields(turn)...), "in.png", "out.avif")...)
		cmd.Dir = dir
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Skipf("avifenc: %v\n%s", err, text)
		}
		body, err := os.ReadFile(filepath.Join(dir, "out.avif"))
		original := read(t, body, err)
		drawn := original.picture(t, thumbnail.Spec{Format: thumbnail.FormatPNG})
		is := func(p image.Point) color.NRGBA { return color.NRGBAModel.Convert(drawn.At(p.X, p.Y)).(color.NRGBA) }
		if is(at.transparent).A != 0 || !near(is(at.red), color.NRGBA{R: 255, A: 255}, 2) || !near(is(at.blue), color.NRGBA{B: 255, A: 255}, 2) {
			t.Errorf("turned by %s: %v, %v, %v in %v", turn, is(at.transparent), is(at.red), is(at.blue), drawn.Bounds())
		}
		if after, err := os.ReadFile(original.file.Name()); err != nil || !bytes.Equal(after, body) {
			t.Errorf("turned by %s: the original was changed: %v", turn, err)
		}
	}
}
