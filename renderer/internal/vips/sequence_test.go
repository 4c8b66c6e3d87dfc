package vips

import (
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Render reads the picture beside a sequence, with any brand.
func TestAPictureBesideASequence(t *testing.T) {
	if !slices.Contains(Types(), string(thumbnail.TypeAVIF)) {
		t.Skip("libvips reads no AVIF here")
	}
	original, err := samples.PNG(samples.Landscape(width, height))
	_, body, drawing := read(t, original, err).render(t, thumbnail.Spec{Format: thumbnail.FormatAVIF, Width: width})
	if drawing != nil {
		t.Skipf("libvips writes no AVIF here: %v", drawing)
	}
	if string(body[4:12]) != "ftypavif" {
		t.Fatalf("an AVIF that begins with %q", body[:12])
	}
	copy(body[8:], "avis")
	if m := read(t, body, nil).picture(t, thumbnail.Spec{Width: width / 2}); m.Bounds().Dx() != width/2 {
		t.Errorf("drawn at %v", m.Bounds())
	}
}
