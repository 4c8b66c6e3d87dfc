package thumbnail

import "testing"

func TestDigestNamesTheMeaning(t *testing.T) {
	a := Spec{Original: Location{Path: "cat.jpg"}, Type: TypeJPEG, Width: 330, Quality: 87}
	b := a
	if a.Digest() != b.Digest() {
		t.Error("equal specs have unequal digests")
	}
	if len(a.Digest()) != 22 {
		t.Errorf("digest %q has %d characters", a.Digest(), len(a.Digest()))
	}
	b.Operations = []Operation{{Name: "rotate", Args: []float64{90}}}
	if a.Digest() == b.Digest() {
		t.Error("a rotation does not change the digest")
	}
	c := a
	c.Original.Container = "x"
	if a.Digest() == c.Digest() {
		t.Error("the container does not change the digest")
	}
}

func TestTypes(t *testing.T) {
	for name, want := range map[string]Type{
		"a/b.JPG": TypeJPEG, "x.tif": TypeTIFF, "x.tar.gz": TypeUnknown, "noext": TypeUnknown, "a.webm": TypeVideo,
	} {
		if got := TypeOf(name); got != want {
			t.Errorf("TypeOf(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestConversionMatrix(t *testing.T) {
	for _, c := range []struct {
		from Type
		to   Format
		want bool
	}{
		{TypeJPEG, FormatPNG, false}, {TypeJPEG, FormatWebP, true}, {TypePNG, FormatJPEG, false},
		{TypeGIF, FormatGIF, true}, {TypeGIF, FormatJPEG, false}, {TypeAudio, FormatJPEG, false},
		{TypeTIFF, FormatJPEG, true}, {TypeXCF, FormatPNG, true}, {TypeUnknown, FormatPNG, true},
	} {
		if got := c.from.Converts(c.to); got != c.want {
			t.Errorf("%s to %s: %v, want %v", c.from, c.to, got, c.want)
		}
	}
}
