package ssim

import (
	"image"
	"image/color"
	"math"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/samples"
)

func mean(t *testing.T, a, b image.Image, background uint8) float64 {
	t.Helper()
	v, err := Mean(a, b, background)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestMean(t *testing.T) {
	picture := samples.Landscape(120, 80)
	if v := mean(t, picture, picture, 255); v != 1 {
		t.Errorf("a picture is %v like itself", v)
	}
	dark := image.NewRGBA(picture.Rect)
	for i, v := range picture.Pix {
		dark.Pix[i] = v / 2
	}
	if v := mean(t, picture, dark, 255); v < 0.3 || v > 0.95 {
		t.Errorf("at half its light it is %v like itself", v)
	}
	if _, err := Mean(picture, samples.Landscape(119, 80), 255); err == nil {
		t.Error("pictures of two sizes were compared")
	}
}

// Two even greys: the formula without variances, (2ab + C1) / (a² + b² + C1).
func TestFlatPictures(t *testing.T) {
	flat := func(v uint8) image.Image {
		m := image.NewGray(image.Rect(0, 0, 30, 30))
		for i := range m.Pix {
			m.Pix[i] = v
		}
		return m
	}
	want := (2*100*150 + c1) / (100*100 + 150*150 + c1)
	if got := mean(t, flat(100), flat(150), 255); math.Abs(got-want) > 1e-9 {
		t.Errorf("%v, want %v", got, want)
	}
}

// What is hidden by alpha over white shows over black.
func TestBackgrounds(t *testing.T) {
	clear := image.NewNRGBA(image.Rect(0, 0, 20, 20))
	white := image.NewNRGBA(clear.Rect)
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	if over := mean(t, clear, white, 255); over != 1 {
		t.Errorf("over white: %v", over)
	}
	if over := mean(t, clear, white, 0); over > 0.1 {
		t.Errorf("over black: %v", over)
	}
	if c := color.NRGBAModel.Convert(clear.At(0, 0)).(color.NRGBA); c.A != 0 {
		t.Error("the picture was changed")
	}
}
