package vips

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"strconv"
	"testing"

	"github.com/thumbmill/thumbmill/renderer/internal/placeholder"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func (o original) placeholder(t *testing.T, s thumbnail.Spec) (Result, placeholder.Description) {
	t.Helper()
	s.Placeholder = true
	result, body, err := o.render(t, s)
	if err != nil || result.Format != thumbnail.FormatJSON {
		t.Fatalf("%+v, %v", result, err)
	}
	var d placeholder.Description
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return result, d
}

// halves is a picture whose left half is red and whose right half is blue.
func halves(t *testing.T) original {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			c := color.RGBA{255, 0, 0, 255}
			if x >= width/2 {
				c = color.RGBA{0, 0, 255, 255}
			}
			m.SetRGBA(x, y, c)
		}
	}
	var body bytes.Buffer
	err := png.Encode(&body, m)
	return read(t, body.Bytes(), err)
}

// A placeholder describes the thumbnail of the same URL: its size, its crop, and its filters.
func TestPlaceholdersAreOfTheThumbnail(t *testing.T) {
	o := halves(t)
	left := &thumbnail.Rect{Right: width / 2, Bottom: height}
	for name, c := range map[string]struct {
		spec          thumbnail.Spec
		width, height int
		average       string
	}{
		"the whole":      {thumbnail.Spec{}, width, height, "#800080"},
		"smaller":        {thumbnail.Spec{Width: 30}, 30, 20, "#800080"},
		"enlarged":       {thumbnail.Spec{Width: 480, Enlarge: true}, 480, 320, "#800080"},
		"a crop":         {thumbnail.Spec{Crop: left}, width / 2, height, "#ff0000"},
		"a cut":          {thumbnail.Spec{Width: 50, Height: 100, HAlign: "right"}, 50, 100, "#0000ff"},
		"within a box":   {thumbnail.Spec{Width: 60, Height: 60, Fit: thumbnail.FitIn}, 60, 40, "#800080"},
		"of a filter":    {thumbnail.Spec{Crop: left, Operations: []thumbnail.Operation{{Name: thumbnail.StepRotate, Args: []float64{90}}}}, height, width / 2, "#ff0000"},
		"of an original": {thumbnail.Spec{OriginalWidth: true, Height: 10}, width, 10, "#800080"},
	} {
		t.Run(name, func(t *testing.T) {
			result, d := o.placeholder(t, c.spec)
			if d.Width != c.width || d.Height != c.height || result.Width != c.width || !alike(d.Average, c.average) || len(d.Dominant) == 0 || d.BlurHash == "" || d.ThumbHash == "" {
				t.Errorf("%+v, %+v, want %+v", d, result, c)
			}
		})
	}
}

// alike reports whether two colours differ by at most two in each channel.
func alike(a, b string) bool {
	for i := 1; i < len(a) && len(a) == len(b); i += 2 {
		x, _ := strconv.ParseInt(a[i:i+2], 16, 32)
		y, _ := strconv.ParseInt(b[i:i+2], 16, 32)
		if x-y > 2 || y-x > 2 {
			return false
		}
	}
	return len(a) == len(b)
}

// The placeholder names the Exif that the thumbnail keeps.
func TestPlaceholdersOfExif(t *testing.T) {
	o := read(t, withExif(t), nil)
	for name, c := range map[string]struct {
		spec thumbnail.Spec
		want int
	}{"kept": {thumbnail.Spec{}, 1}, "all": {thumbnail.Spec{KeepEXIF: true}, 2}, "stripped": {thumbnail.Spec{StripEXIF: true}, 0}} {
		if _, d := o.placeholder(t, c.spec); len(d.EXIF) != c.want {
			t.Errorf("%s: %v, want %d texts", name, d.EXIF, c.want)
		}
	}
}

// withExif is a JPEG with an artist and a camera.
func withExif(t *testing.T) []byte {
	t.Helper()
	o := halves(t)
	_, body, err := o.render(t, thumbnail.Spec{Format: thumbnail.FormatJPEG, Width: 20})
	if err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00II*\x00\x08\x00\x00\x00\x02\x00" +
		"\x0f\x01\x02\x00\x04\x00\x00\x00cam\x00" + "\x3b\x01\x02\x00\x04\x00\x00\x00Ada\x00" + "\x00\x00\x00\x00"
	segment := "\xff\xe1\x00" + string([]byte{byte(len(exif) + 2)}) + exif
	return append([]byte(string(body[:2])+segment), body[2:]...)
}

// An animation's placeholder is of its first frame.
func TestPlaceholdersOfAnimations(t *testing.T) {
	o := alternating(t)
	if _, d := o.placeholder(t, thumbnail.Spec{Width: 30, MaxAnimatedArea: 1 << 40}); d.Width != 30 || d.ThumbHash == "" {
		t.Errorf("%+v", d)
	}
}
