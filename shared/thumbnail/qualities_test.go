package thumbnail

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestQualityOf(t *testing.T) {
	s := Spec{Quality: 80, Qualities: Qualities{FormatWebP: 70}}
	for f, want := range map[Format]int{FormatWebP: 70, FormatJPEG: 80, FormatAVIF: 80} {
		if got := s.QualityOf(f); got != want {
			t.Errorf("%s has the quality %d, want %d", f, got, want)
		}
	}
}

func TestQualitiesAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		want   Qualities
		refuse string // "" = the JSON is valid
	}{
		"none":                 {`{"quality":80}`, nil, ""},
		"a quality of 0":       {`{"quality":80,"quality_webp":0}`, nil, ""},
		"own qualities":        {`{"quality_avif":60,"quality_webp":70}`, Qualities{FormatAVIF: 60, FormatWebP: 70}, ""},
		"of an unknown format": {`{"quality_webp":70,"quality_next":60}`, Qualities{FormatWebP: 70}, ""},
		"a text":               {`{"quality_webp":"70"}`, nil, "quality_webp"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Spec{Qualities: Qualities{FormatJPEG: 1}}
			err := json.Unmarshal([]byte(c.text), &s)
			if c.refuse != "" {
				if err == nil || !strings.Contains(err.Error(), c.refuse) {
					t.Errorf("the error is %v, want one with %q", err, c.refuse)
				}
				return
			}
			if err != nil || len(s.Qualities) != len(c.want) {
				t.Fatalf("the JSON parses as %v, %v; want %v", s.Qualities, err, c.want)
			}
			for f, quality := range c.want {
				if s.Qualities[f] != quality {
					t.Errorf("the JSON parses as %v, want %v", s.Qualities, c.want)
				}
			}
		})
	}
}

func TestQualitiesOfASpecAreValidated(t *testing.T) {
	for name, c := range map[string]struct {
		qualities Qualities
		refuse    string
	}{
		"none":                 {nil, ""},
		"both bounds":          {Qualities{FormatWebP: 1, FormatAVIF: 100}, ""},
		"too high":             {Qualities{FormatWebP: 101}, "webp is 101"},
		"of a lossless format": {Qualities{FormatPNG: 80}, `"png"`},
		"of an unknown format": {Qualities{"tiff": 80}, "jpg webp avif"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Spec{Quality: 80, Chroma: "4:2:0", Qualities: c.qualities}.Validate()
			if c.refuse == "" && err != nil || c.refuse != "" && (err == nil || !strings.Contains(err.Error(), c.refuse)) {
				t.Errorf("%v: %v, want %q", c.qualities, err, c.refuse)
			}
		})
	}
}

// UnmarshalJSON finds the qualities beside the common one, even if a text looks like the key.
func TestQualitiesAmongTexts(t *testing.T) {
	s := Spec{Original: Location{Path: `"chroma_subsampling":`}, Quality: 80, Qualities: Qualities{FormatJPEG: 70}, Chroma: "4:2:0"}
	var read Spec
	if err := json.Unmarshal([]byte(s.Canonical()), &read); err != nil || read.Original != s.Original || read.Qualities[FormatJPEG] != 70 {
		t.Errorf("%s parses as %+v, %v", s.Canonical(), read, err)
	}
}
