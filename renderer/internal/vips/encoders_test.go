package vips

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// encode renders the original at a width of 48, and returns the file.
func encode(t *testing.T, body []byte, of thumbnail.Type, s thumbnail.Spec) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "original")
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	original, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = original.Close() }()
	header, err := guard.Inspect(original, int64(len(body)), of, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "thumbnail"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	s.Type, s.Width, s.Quality, s.Chroma, s.MaxAnimatedArea = of, 48, 90, "4:2:0", 1<<20
	if result, err := Render(s, header, 1<<20, Usual, original, out, nil); err != nil || result.Width != 48 {
		t.Fatalf("%+v, %v", result, err)
	}
	file, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEachFormatHasAnEncoder(t *testing.T) {
	var inTable []thumbnail.Format
	for _, row := range thumbnail.Formats() {
		if !row.MovesOnly {
			inTable = append(inTable, row.Format)
		}
	}
	slices.Sort(inTable)
	if got := slices.Sorted(maps.Keys(encoders)); !slices.Equal(got, inTable) {
		t.Errorf("there are encoders of %q, and formats %q", got, inTable)
	}
}

// The files of each encoder agree with the row of the format.
func TestEncodersDoWhatTheirRowsSay(t *testing.T) {
	soft, err := samples.WebP(samples.Disc(64)) // with transparency
	if err != nil {
		t.Fatal(err)
	}
	moving, err := samples.GIF(64, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range thumbnail.Formats() {
		if row.MovesOnly { // the engine's tests have programs that pack videos
			continue
		}
		t.Run(string(row.Format), func(t *testing.T) {
			fine := encode(t, soft, thumbnail.TypeWebP, thumbnail.Spec{Format: row.Format})
			if f, _ := thumbnail.SniffFormat(fine[:16]); f != row.Format {
				t.Errorf("%q is sniffed as %q", fine[:16], f)
			}
			coarse := encode(t, soft, thumbnail.TypeWebP, thumbnail.Spec{Format: row.Format, Qualities: thumbnail.Qualities{row.Format: 20}})
			if smaller := len(coarse) < len(fine); smaller != row.Lossy {
				t.Errorf("%d bytes at the quality 90, %d at 20; lossy: %v", len(fine), len(coarse), row.Lossy)
			}
			preferred := encode(t, soft, thumbnail.TypeWebP, thumbnail.Spec{Prefer: []thumbnail.Format{row.Format}})
			if f, _ := thumbnail.SniffFormat(preferred[:16]); (f == row.Format) != row.Alpha {
				t.Errorf("preferred as %s, a transparent picture is a %s; alpha: %v", row.Format, f, row.Alpha)
			}
			if row.Animation != thumbnail.ByEncoder {
				return
			}
			frames := encode(t, moving, thumbnail.TypeGIF, thumbnail.Spec{Format: row.Format})
			h, err := guard.Inspect(bytes.NewReader(frames), int64(len(frames)), thumbnail.TypeUnknown, 1<<20)
			if err != nil || h.Frames != 3 {
				t.Errorf("%d frames of 3, %v", h.Frames, err)
			}
		})
	}
}

func TestFormatsOfALaterVersionAreRefused(t *testing.T) {
	r := render{spec: thumbnail.Spec{Format: "next"}}
	if _, err := r.format(); !fault.Is(err, fault.Unsupported) {
		t.Errorf("the error is %v", err)
	}
}

// An original without Exif gives a thumbnail without Exif.
func TestNoExifIsMadeUp(t *testing.T) {
	body, err := samples.PNG(samples.Landscape(160, 120))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]thumbnail.Spec{
		"png by libvips": {Format: thumbnail.FormatPNG, Progressive: true},
		"png":            {Format: thumbnail.FormatPNG},
		"webp":           {Format: thumbnail.FormatWebP},
		"avif":           {Format: thumbnail.FormatAVIF},
	} {
		if file := bytes.ToLower(encode(t, body, thumbnail.TypePNG, s)); bytes.Contains(file, []byte("exif")) {
			t.Errorf("%s: %d bytes with Exif", name, len(file))
		}
	}
}

// Each effort writes another file of the same picture.
func TestEffort(t *testing.T) {
	body, err := samples.JPEG(samples.Landscape(240, 160))
	o := read(t, body, err)
	for _, format := range []thumbnail.Format{thumbnail.FormatWebP, thumbnail.FormatGIF} {
		var files []string
		for _, effort := range []Effort{Hasty, Usual, Patient} {
			out, err := os.Create(filepath.Join(t.TempDir(), "thumbnail"))
			if err != nil {
				t.Fatal(err)
			}
			result, err := Render(thumbnail.Spec{Width: 100, Quality: 80, Chroma: "4:2:0", Format: format}, o.header, maxPixels, effort, o.file, out, nil)
			_ = out.Close()
			body, reading := os.ReadFile(out.Name())
			if err != nil || reading != nil || result.Width != 100 || slices.Contains(files, string(body)) {
				t.Errorf("%s, effort %d: %+v, %v, %v; the same file again: %v", format, effort, result, err, reading, slices.Contains(files, string(body)))
			}
			files = append(files, string(body))
		}
	}
}
