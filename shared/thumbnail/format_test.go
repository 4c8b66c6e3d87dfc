package thumbnail

import (
	"slices"
	"strings"
	"testing"
)

func TestEachRowIsComplete(t *testing.T) {
	for _, row := range Formats() {
		t.Run(string(row.Format), func(t *testing.T) {
			if row.Format == "" || row.Name == "" || len(row.MediaTypes) == 0 || len(row.Signatures) == 0 {
				t.Errorf("the row %+v is incomplete", row)
			}
			if len(row.Spellings) == 0 || row.Spellings[0] != string(row.Format) {
				t.Errorf("the first spelling of %q is not the format's name", row.Spellings)
			}
			if row.LongestSide < 1 {
				t.Errorf("the longest side %d is not possible", row.LongestSide)
			}
			if !slices.Contains([]Animation{FirstFrame, ByEncoder, ByTool, Packed}, row.Animation) {
				t.Errorf("animation %q", row.Animation)
			}
			for _, text := range slices.Concat(row.Spellings, row.MediaTypes) {
				if text != strings.ToLower(text) {
					t.Errorf("%q is not in lower case", text)
				}
			}
			if row.Format.Row().Name != row.Name || row.Format.ContentType() != row.MediaTypes[0] {
				t.Error("Row does not find the row by its format")
			}
		})
	}
}

func TestRowsShareNothing(t *testing.T) {
	owner := map[string]Format{}
	for _, row := range Formats() {
		texts := slices.Concat(row.Spellings, row.MediaTypes)
		for _, s := range row.Signatures {
			texts = append(texts, s.Bytes)
		}
		for _, text := range texts {
			if other, taken := owner[text]; taken {
				t.Errorf("%s and %s both have %q", other, row.Format, text)
			}
			owner[text] = row.Format
		}
	}
}

func TestFormatsAreFoundByWhatTheyHave(t *testing.T) {
	for _, row := range Formats() {
		for _, spelling := range row.Spellings {
			if f, ok := ParseFormat(strings.ToUpper(spelling)); f != row.Format || !ok {
				t.Errorf("%q parses as %q", spelling, f)
			}
		}
		for _, media := range row.MediaTypes {
			if f, ok := FormatOfMedia(media); f != row.Format || !ok {
				t.Errorf("%q is the format %q", media, f)
			}
		}
		for _, s := range row.Signatures {
			file := strings.Repeat("?", s.At) + s.Bytes
			if f, ok := SniffFormat([]byte(file)); f != row.Format || !ok {
				t.Errorf("%q has the format %q", file, f)
			}
			if f, ok := SniffFormat([]byte(file[:len(file)-1])); ok {
				t.Errorf("a part of a signature has the format %q", f)
			}
		}
	}
}

func TestWhatIsNoFormat(t *testing.T) {
	for _, name := range []string{"", "auto", "json", "tiff", "svg"} {
		if f, ok := ParseFormat(name); ok || f != FormatAuto {
			t.Errorf("%q parses as %q", name, f)
		}
	}
	if f, ok := FormatOfMedia("image/svg+xml"); ok {
		t.Errorf("an SVG has the format %q", f)
	}
	if f, ok := FormatOfMedia(FormatJSON.ContentType()); !ok || f != FormatJSON {
		t.Errorf("a JSON file has the format %q", f)
	}
	if got := FormatAuto.ContentType(); got != "" {
		t.Errorf("an empty format has the media type %q", got)
	}
}
