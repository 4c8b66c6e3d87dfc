package thumbnail

import (
	"encoding/json"
	"reflect"
	"testing"
)

// Digests name stored thumbnails, and jobs carry this JSON to renderers of other versions. The digests
// and the JSON must never change.
func TestCanonicalFormIsPinned(t *testing.T) {
	for name, c := range map[string]struct {
		spec      Spec
		canonical string
		digest    string
	}{
		"plain": {
			Spec{Original: Location{Path: "cat.jpg"}, Type: TypeJPEG, Width: 330, Quality: 87, Chroma: "4:2:0"},
			`{"original":{"path":"cat.jpg"},"type":"jpeg","width":330,"quality":87,"chroma_subsampling":"4:2:0"}`,
			"TS2IaoAuDQtXFcW0OA0D_Q",
		},
		"own qualities": {
			ownQualities(),
			`{"original":{"path":"https://images.example/a.png?x=1"},"type":"png","width":300,"height":200,"prefer":["avif"],"quality":80,"quality_webp":75,"quality_avif":60,"chroma_subsampling":"4:2:0","max_animated_area":1}`,
			"bmJ9I6jD0bUPwkacgCql5A",
		},
		"only the quality of AVIF": {
			avifAlone(),
			`{"original":{"path":"b.tif"},"type":"tiff","format":"avif","height":99,"quality":80,"quality_avif":61,"chroma_subsampling":"4:2:0"}`,
			"UtHimb0DKe3ct7z7tPHGTg",
		},
		"everything else": {
			Spec{
				Original: Location{Container: "wikipedia-commons-local-public.ab", Path: "a/ab/Käse \"quality\":1 𝄞.svg"}, Type: TypeSVG,
				Format: FormatPNG, Width: 200, Height: 100, Fit: FitIn, Crop: &Rect{1, 2, 3, 4}, Trim: &Trim{Corner: "top-left", Tolerance: 9},
				Focal: []Rect{{Right: 5, Bottom: 6}}, Page: 2, Lang: "fr", Sharpen: &Sharpen{Sigma: 0.8, Amount: 1, Ratio: 0.85},
				Operations: []Operation{{Name: StepRotate, Args: []float64{90}}}, Prefer: []Format{FormatWebP, FormatJPEG},
				MaxBytes: 1000, KeepEXIF: true, Quality: 40, Chroma: "4:4:4", Progressive: true, MaxAnimatedArea: 100_000_000,
			},
			`{"original":{"container":"wikipedia-commons-local-public.ab","path":"a/ab/K\u00e4se \"quality\":1 \ud834\udd1e.svg"},"type":"svg","format":"png","width":200,"height":100,"fit":"in","crop":{"l":1,"t":2,"r":3,"b":4},"trim":{"corner":"top-left","tolerance":9},"focal":[{"l":0,"t":0,"r":5,"b":6}],"page":2,"lang":"fr","sharpen":{"radius":0,"sigma":0.8,"amount":1,"threshold":0,"ratio":0.85},"operations":[{"name":"rotate","args":[90]}],"prefer":["webp","jpg"],"max_bytes":1000,"keep_exif":true,"quality":40,"chroma_subsampling":"4:4:4","progressive":true,"max_animated_area":100000000}`,
			"S6G3BqXIUoFNzUiG1_s5YA",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, digest := c.spec.CanonicalAndDigest()
			if got != c.canonical {
				t.Errorf("the canonical form is\n%s\nwant\n%s", got, c.canonical)
			}
			if alone := c.spec.Digest(); digest != c.digest || alone != digest {
				t.Errorf("the digest is %s, alone %s, want %s", digest, alone, c.digest)
			}
			var read Spec
			if err := json.Unmarshal([]byte(c.canonical), &read); err != nil || !reflect.DeepEqual(read, c.spec) {
				t.Errorf("the canonical form parses as %+v, %v; want %+v", read, err, c.spec)
			}
		})
	}
}

func ownQualities() Spec {
	return Spec{
		Original: Location{Path: "https://images.example/a.png?x=1"}, Type: TypePNG, Width: 300, Height: 200, Prefer: []Format{FormatAVIF},
		Quality: 80, Qualities: Qualities{FormatAVIF: 60, FormatWebP: 75}, Chroma: "4:2:0", MaxAnimatedArea: 1,
	}
}

func avifAlone() Spec {
	return Spec{Original: Location{Path: "b.tif"}, Type: TypeTIFF, Format: FormatAVIF, Height: 99, Quality: 80, Qualities: Qualities{FormatAVIF: 61}, Chroma: "4:2:0"}
}
