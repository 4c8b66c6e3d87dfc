package thumbnail

import (
	"slices"
	"strings"
	"testing"
)

func TestExtensionsBelongToOneType(t *testing.T) {
	owner := map[string]Type{}
	for _, row := range types {
		if len(row.files) == 0 && row.original != TypeUnknown {
			t.Errorf("no name promises a %s", row.original)
		}
		for _, f := range row.files {
			if other, taken := owner[f.extension]; taken {
				t.Errorf("%s and %s both have .%s", other, row.original, f.extension)
			}
			owner[f.extension] = row.original
			if got := TypeOf("x." + strings.ToUpper(f.extension)); got != row.original {
				t.Errorf("x.%s is a %s, want %s", f.extension, got, row.original)
			}
			if got := MediaTypeOf("x." + strings.ToUpper(f.extension)); got != f.mediaType || strings.Count(got, "/") != 1 {
				t.Errorf("x.%s is of %q, want %q", f.extension, got, f.mediaType)
			}
		}
	}
}

// Whatever a URL gives when it names no format is one that MediaWiki's URLs can name too.
func TestDefaultFormats(t *testing.T) {
	for _, name := range TypeNames() {
		of := Type(name)
		for _, alpha := range []bool{false, true} {
			if f := of.DefaultFormat(alpha); of != TypeAudio && !of.Converts(f) {
				t.Errorf("a %s is shown as %q, which it cannot be", of, f)
			}
		}
	}
	for f, of := range map[Format]Type{FormatPNG: TypeSVG, FormatWebP: TypeWebP, FormatGIF: TypeGIF, FormatJPEG: TypeTIFF} {
		if got := of.DefaultFormat(false); got != f {
			t.Errorf("a %s is shown as %q, want %q", of, got, f)
		}
	}
	if slices.Contains(TypeNames(), "") {
		t.Error("a type has no name")
	}
}
