package tools

import (
	"bytes"
	"image"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// avifSequence returns an AVIF that has two pictures only in tracks: red at half alpha, then blue.
func avifSequence(t *testing.T, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("avifenc"); err != nil {
		t.Skip("avifenc is not installed")
	}
	dir := t.TempDir()
	for name, c := range map[string]color.NRGBA{"1.png": {R: 255, A: 128}, "2.png": {B: 255, A: 255}} {
		m := image.NewNRGBA(image.Rect(0, 0, 64, 48))
		for i := range 64 * 48 {
			m.SetNRGBA(i%64, i/64, c)
		}
		png, err := samples.PNG(m)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), png, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("avifenc", append(args, "--lossless", "1.png", "2.png", "out.avif")...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Skipf("avifenc: %v\n%s", err, text)
	}
	body, err := os.ReadFile(filepath.Join(dir, "out.avif"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Replace(body, []byte("meta"), []byte("free"), 1)
}

func TestSequences(t *testing.T) {
	hevc := func(t *testing.T) []byte {
		body := filmed(t, "out.mp4", "-f", "lavfi", "-i", "color=red:s=64x48:r=5:d=1", "-c:v", "libx265", "-x265-params", "log-level=none", "-tag:v", "hvc1")
		copy(body[8:], "hevc")
		return bytes.Replace(body, []byte("vide"), []byte("pict"), 1)
	}
	for name, c := range map[string]struct {
		of   thumbnail.Type
		body func(*testing.T) []byte
		want color.NRGBA
	}{
		"AVIF":               {thumbnail.TypeAVIF, func(t *testing.T) []byte { return avifSequence(t) }, color.NRGBA{R: 255, A: 128}},
		"premultiplied AVIF": {thumbnail.TypeAVIF, func(t *testing.T) []byte { return avifSequence(t, "--premultiply") }, color.NRGBA{R: 255, A: 128}},
		"HEIC":               {thumbnail.TypeHEIC, hevc, color.NRGBA{R: 255, A: 255}},
	} {
		t.Run(name, func(t *testing.T) {
			body := c.body(t)
			h, err := guard.Inspect(bytes.NewReader(body), int64(len(body)), c.of, 1<<40)
			if err != nil || !h.Sequence || h.Frames < 2 || h.Alpha != (c.want.A < 255) {
				t.Fatalf("%+v, %v", h, err)
			}
			drawn, err := work(t, Request{Work: Draw, Header: h}, body)
			if err != nil {
				t.Fatal(err)
			}
			w, high, middle := raster(t, drawn)
			if w != 64 || high != 48 {
				t.Errorf("%d × %d", w, high)
			}
			alpha := uint32(255)
			if m, _, err := image.Decode(bytes.NewReader(drawn)); err == nil {
				at := color.NRGBAModel.Convert(m.At(w/2, high/2)).(color.NRGBA)
				middle, alpha = [3]uint8{at.R, at.G, at.B}, uint32(at.A)
			}
			if middle[0] < 248 || middle[1] > 6 || middle[2] > 6 || alpha != uint32(c.want.A) {
				t.Errorf("%v with alpha %d, want %v", middle, alpha, c.want)
			}
		})
	}
}
