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
			t.Errorf("no extension means %s", row.original)
		}
		for _, f := range row.files {
			if other, taken := owner[f.extension]; taken {
				t.Errorf("%s and %s both have .%s", other, row.original, f.extension)
			}
			owner[f.extension] = row.original
			if got := TypeOf("x." + strings.ToUpper(f.extension)); got != row.original {
				t.Errorf("x.%s has the type %s, want %s", f.extension, got, row.original)
			}
			if got := MediaTypeOf("x." + strings.ToUpper(f.extension)); got != f.mediaType || strings.Count(got, "/") != 1 {
				t.Errorf("x.%s has the media type %q, want %q", f.extension, got, f.mediaType)
			}
		}
	}
}

// Each default format is a format that MediaWiki's URLs can name.
func TestDefaultFormats(t *testing.T) {
	for _, name := range TypeNames() {
		of := Type(name)
		for _, alpha := range []bool{false, true} {
			if f := of.DefaultFormat(alpha); of != TypeAudio && !of.Converts(f) {
				t.Errorf("a %s becomes %q, which MediaWiki's URLs cannot name", of, f)
			}
		}
	}
	for f, of := range map[Format]Type{FormatPNG: TypeSVG, FormatWebP: TypeWebP, FormatGIF: TypeGIF, FormatJPEG: TypeTIFF} {
		if got := of.DefaultFormat(false); got != f {
			t.Errorf("a %s becomes %q, want %q", of, got, f)
		}
	}
	if slices.Contains(TypeNames(), "") {
		t.Error("a type has no name")
	}
}
