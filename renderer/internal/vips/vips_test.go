package vips

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	_ "golang.org/x/image/webp"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) {
	if err := Init(); err != nil {
		log.Fatal(err)
	}
	os.Exit(m.Run())
}

const (
	maxPixels = 1_000_000
	width     = 240 // of originals
	height    = 160
)

// original is a file with its header, as guard reads it.
type original struct {
	file   *os.File
	header guard.Header
}

func read(t testing.TB, body []byte, err error) original {
	t.Helper()
	path := filepath.Join(t.TempDir(), "original")
	if err == nil {
		err = os.WriteFile(path, body, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	h, err := guard.Inspect(f, int64(len(body)), thumbnail.TypeUnknown, 1<<40)
	if err != nil || h.Type == thumbnail.TypePNM { // libvips reads PNM only as the raster of a tool
		h, err = guard.Drawn(f, int64(len(body)), 1<<40)
	}
	if err != nil {
		t.Fatal(err)
	}
	return original{f, h}
}

// render draws the spec, and returns the thumbnail's bytes.
func (o original) render(t *testing.T, s thumbnail.Spec, overlays ...Overlay) (Result, []byte, error) {
	t.Helper()
	if s.Quality == 0 {
		s.Quality, s.Chroma = 87, "4:2:0"
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "thumbnail"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	result, rendering := Render(s, o.header, maxPixels, Usual, o.file, out, overlays)
	body, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return result, body, rendering
}

// picture returns the decoded thumbnail. Its size must be the size of the Result.
func (o original) picture(t *testing.T, s thumbnail.Spec, overlays ...Overlay) image.Image {
	t.Helper()
	result, body, err := o.render(t, s, overlays...)
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	m, format, err := image.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("%+v: %v", s, err)
	}
	if want := strings.Replace(string(result.Format), "jpg", "jpeg", 1); format != want || m.Bounds().Dx() != result.Width || m.Bounds().Dy() != result.Height {
		t.Fatalf("%+v: the result is %+v, the file a %s of %v", s, result, format, m.Bounds())
	}
	return m
}

func landscape(t *testing.T) original {
	t.Helper()
	body, err := samples.PNG(samples.Landscape(width, height))
	return read(t, body, err)
}

func disc(t *testing.T) original {
	t.Helper()
	body, err := samples.PNG(samples.Disc(100))
	return read(t, body, err)
}

func TestVersionAndTypes(t *testing.T) {
	if v := Version(); !strings.HasPrefix(v, "vips-8.") || !strings.HasSuffix(v, fmt.Sprint("-rules-", thumbnail.RulesVersion)) {
		t.Errorf("version %s", v)
	}
	for _, want := range []string{"jpeg", "png", "webp", "gif", "tiff"} {
		if !slices.Contains(Types(), want) {
			t.Errorf("%s is not read; these are: %v", want, Types())
		}
	}
}

func TestEachTypeBecomesEachFormat(t *testing.T) {
	for name, draw := range map[string]func() ([]byte, error){
		"jpeg": func() ([]byte, error) { return samples.JPEG(samples.Landscape(width, height)) },
		"png":  func() ([]byte, error) { return samples.PNG(samples.Landscape(width, height)) },
		"webp": func() ([]byte, error) { return samples.WebP(samples.Landscape(width, height)) },
		"tiff": func() ([]byte, error) { return samples.TIFF(samples.Landscape(width, height)) },
	} {
		body, err := draw()
		o := read(t, body, err)
		for _, format := range []thumbnail.Format{thumbnail.FormatAuto, thumbnail.FormatJPEG, thumbnail.FormatPNG, thumbnail.FormatWebP, thumbnail.FormatGIF} {
			t.Run(name+" to "+string(format), func(t *testing.T) {
				m := o.picture(t, thumbnail.Spec{Width: 60, Format: format})
				if m.Bounds().Dx() != 60 || m.Bounds().Dy() != 40 || !warm(m.At(13, 8)) {
					t.Errorf("%v, the sun is %v", m.Bounds(), m.At(13, 8))
				}
			})
		}
	}
}

// warm reports whether c is the colour of the landscape's sun, at the upper left.
func warm(c color.Color) bool {
	r, _, b, _ := c.RGBA()
	return r>>8 > 220 && b>>8 < 190
}

func TestSizes(t *testing.T) {
	o := landscape(t)
	for name, c := range map[string]struct {
		spec          thumbnail.Spec
		width, height int
	}{
		"as it is":               {thumbnail.Spec{}, width, height},
		"by width":               {thumbnail.Spec{Width: 120}, 120, 80},
		"by height":              {thumbnail.Spec{Height: 40}, 60, 40},
		"a box that is filled":   {thumbnail.Spec{Width: 50, Height: 50}, 50, 50},
		"a smart cut":            {thumbnail.Spec{Width: 50, Height: 50, Smart: true}, 50, 50},
		"a box around it":        {thumbnail.Spec{Width: 60, Height: 60, Fit: thumbnail.FitIn}, 60, 40},
		"cut first":              {thumbnail.Spec{Width: 50, Crop: &thumbnail.Rect{Left: 10, Top: 10, Right: 110, Bottom: 110}}, 50, 50},
		"enlarged":               {thumbnail.Spec{Width: 480, Enlarge: true}, 480, 320},
		"cut after":              {thumbnail.Spec{Width: 120, Operations: []thumbnail.Operation{{Name: thumbnail.StepCrop, Args: []float64{0, 0, 30, 20}}}}, 30, 20},
		"turned":                 {thumbnail.Spec{Width: 120, Operations: []thumbnail.Operation{{Name: thumbnail.StepRotate, Args: []float64{90}}}}, 80, 120},
		"turned all the way":     {thumbnail.Spec{Width: 120, Operations: []thumbnail.Operation{{Name: thumbnail.StepRotate, Args: []float64{360}}}}, 120, 80},
		"a proportion":           {thumbnail.Spec{Width: 120, Operations: []thumbnail.Operation{{Name: thumbnail.StepProportion, Args: []float64{0.5}}}}, 60, 40},
		"a proportion of none":   {thumbnail.Spec{Width: 120, Operations: []thumbnail.Operation{{Name: thumbnail.StepProportion, Args: []float64{0.001}}}}, 120, 80},
		"into a wider box":       {thumbnail.Spec{Width: 480, Height: 400, Fit: thumbnail.FitIn, Operations: []thumbnail.Operation{{Name: thumbnail.StepUpscale}}}, 480, 320},
		"into a higher box":      {thumbnail.Spec{Width: 900, Height: 320, Fit: thumbnail.FitIn, Operations: []thumbnail.Operation{{Name: thumbnail.StepUpscale}}}, 480, 320},
		"into a box that it met": {thumbnail.Spec{Width: 120, Height: 80, Fit: thumbnail.FitIn, Operations: []thumbnail.Operation{{Name: thumbnail.StepUpscale}}}, 120, 80},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Format = thumbnail.FormatPNG
			if m := o.picture(t, c.spec); m.Bounds().Dx() != c.width || m.Bounds().Dy() != c.height {
				t.Errorf("%v, want %d × %d", m.Bounds(), c.width, c.height)
			}
		})
	}
}

// Each change moves the sun.
func TestDirections(t *testing.T) {
	o := landscape(t)
	step := func(name thumbnail.Step, word string, args ...float64) []thumbnail.Operation {
		return []thumbnail.Operation{{Name: name, Word: word, Args: args}}
	}
	for name, c := range map[string]struct {
		spec thumbnail.Spec
		x, y int
	}{
		"as it is":      {thumbnail.Spec{}, 53, 32},
		"mirrored":      {thumbnail.Spec{FlipX: true}, 187, 32},
		"upside down":   {thumbnail.Spec{FlipY: true}, 53, 127},
		"flipped later": {thumbnail.Spec{Operations: step(thumbnail.StepFlip, "x")}, 53, 127},
		"turned":        {thumbnail.Spec{Operations: step(thumbnail.StepRotate, "", 180)}, 187, 127},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Format = thumbnail.FormatPNG
			if m := o.picture(t, c.spec); !warm(m.At(c.x, c.y)) {
				t.Errorf("the sun is not at %d, %d, which is %v", c.x, c.y, m.At(c.x, c.y))
			}
		})
	}
}

func TestOrientation(t *testing.T) {
	body, err := samples.TurnedJPEG(samples.Landscape(height, width))
	o := read(t, body, err)
	for name, c := range map[string]struct {
		spec   thumbnail.Spec
		higher bool
	}{
		"upright":     {thumbnail.Spec{Width: 60}, true},
		"cut upright": {thumbnail.Spec{Crop: &thumbnail.Rect{Right: 100, Bottom: 200}}, true},
		"as stored":   {thumbnail.Spec{Width: 60, AsStored: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if b := o.picture(t, c.spec).Bounds(); b.Dy() > b.Dx() != c.higher {
				t.Errorf("%v", b)
			}
		})
	}
}

func TestTrim(t *testing.T) {
	framed := image.NewRGBA(image.Rect(0, 0, 100, 80))
	for y := range 80 {
		for x := range 100 {
			framed.Set(x, y, color.White)
			if x >= 20 && x < 70 && y >= 10 && y < 60 {
				framed.Set(x, y, color.RGBA{uint8(x), uint8(y), 200, 255})
			}
		}
	}
	body, err := samples.PNG(framed)
	o := read(t, body, err)
	trim := &thumbnail.Trim{Corner: "top-left", Tolerance: 10}
	for name, c := range map[string]struct {
		spec          thumbnail.Spec
		width, height int
	}{
		"the border":             {thumbnail.Spec{Trim: trim}, 50, 50},
		"and then a cut":         {thumbnail.Spec{Trim: trim, Crop: &thumbnail.Rect{Left: 20, Top: 10, Right: 40, Bottom: 50}}, 20, 40},
		"by the opposite corner": {thumbnail.Spec{Trim: &thumbnail.Trim{Corner: "bottom-right"}}, 50, 50},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Format = thumbnail.FormatPNG
			if b := o.picture(t, c.spec).Bounds(); b.Dx() != c.width || b.Dy() != c.height {
				t.Errorf("%v, want %d × %d", b, c.width, c.height)
			}
		})
	}
}

func TestFilters(t *testing.T) {
	o := landscape(t)
	gray := o.picture(t, thumbnail.Spec{Width: 60, Format: thumbnail.FormatPNG, Operations: []thumbnail.Operation{{Name: thumbnail.StepGrayscale}}})
	if r, g, b, _ := gray.At(13, 8).RGBA(); r != g || g != b {
		t.Errorf("grayscale left %v", gray.At(13, 8))
	}
	// Between filters are steps of libvips: the picture passes from Go to libvips and back.
	m := o.picture(t, thumbnail.Spec{Width: 60, Format: thumbnail.FormatPNG, Operations: []thumbnail.Operation{
		{Name: thumbnail.StepBrightness, Args: []float64{10}}, {Name: thumbnail.StepRotate, Args: []float64{90}},
		{Name: thumbnail.StepBlur, Args: []float64{2, 1}}, {Name: thumbnail.StepCorners, Args: []float64{5, 5}, Color: "ff0000", On: true},
	}})
	if m.Bounds().Dx() != 40 || m.Bounds().Dy() != 60 {
		t.Errorf("%v", m.Bounds())
	}
}

func TestWatermarks(t *testing.T) {
	o, mark := landscape(t), disc(t)
	at := thumbnail.Location{Path: "mark.png"}
	s := thumbnail.Spec{Format: thumbnail.FormatPNG, Operations: []thumbnail.Operation{
		{Name: thumbnail.StepWatermark, Picture: &at, Word: "0", Word2: "0", Args: []float64{0, 0, 0}},
		{Name: thumbnail.StepWatermark, Picture: &at, Word: "100", Word2: "0", Args: []float64{0, 0, 0}}, // the same watermark, decoded once
	}}
	plain := o.picture(t, thumbnail.Spec{Format: thumbnail.FormatPNG})
	marked := o.picture(t, s, Overlay{Header: mark.header, File: mark.file})
	if plain.At(50, 50) == marked.At(50, 50) || plain.At(150, 50) == marked.At(150, 50) || plain.At(230, 150) != marked.At(230, 150) {
		t.Error("the watermarks are in the wrong places")
	}
	huge := mark.header
	huge.Width, huge.Height = 10_000, 10_000
	broken := read(t, bytes.Repeat([]byte("P6\n1 1\n255\nabc"), 1), nil)
	broken.header.Width = 1000
	for name, overlays := range map[string][]Overlay{
		"too large": {{Header: huge, File: mark.file}},
		"broken":    {{Header: guard.Header{Type: thumbnail.TypePNG, Width: 1, Height: 1}, File: broken.file}},
	} {
		if _, _, err := o.render(t, s, overlays...); !fault.Is(err, fault.BadURL) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := o.render(t, s); err == nil {
		t.Error("a missing watermark is drawn")
	}
}

func TestTransparency(t *testing.T) {
	o := disc(t)
	if _, _, _, a := o.picture(t, thumbnail.Spec{Width: 50, Format: thumbnail.FormatPNG}).At(0, 0).RGBA(); a != 0 {
		t.Error("a PNG lost its transparency")
	}
	if r, g, b, _ := o.picture(t, thumbnail.Spec{Width: 50, Format: thumbnail.FormatJPEG}).At(0, 0).RGBA(); r>>8 < 250 || g>>8 < 250 || b>>8 < 250 {
		t.Error("a JPEG is not flattened on white")
	}
}

func TestTheFormatIsChosen(t *testing.T) {
	opaque, transparent, page := landscape(t), disc(t), landscape(t)
	page.header.Original = thumbnail.TypePDF
	prefer := []thumbnail.Format{thumbnail.FormatJPEG, thumbnail.FormatWebP}
	for name, c := range map[string]struct {
		of   original
		spec thumbnail.Spec
		want thumbnail.Format
	}{
		"the original's own":                  {opaque, thumbnail.Spec{}, thumbnail.FormatPNG},
		"the first that the client prefers":   {opaque, thumbnail.Spec{Prefer: prefer}, thumbnail.FormatJPEG},
		"the first that can be transparent":   {transparent, thumbnail.Spec{Prefer: prefer}, thumbnail.FormatWebP},
		"a JPEG for an opaque PNG":            {opaque, thumbnail.Spec{PNGToJPEG: true}, thumbnail.FormatJPEG},
		"no JPEG for a transparent PNG":       {transparent, thumbnail.Spec{PNGToJPEG: true}, thumbnail.FormatPNG},
		"the default of a drawing's own type": {page, thumbnail.Spec{}, thumbnail.FormatJPEG},
	} {
		t.Run(name, func(t *testing.T) {
			c.spec.Width = 40
			if result, _, err := c.of.render(t, c.spec); err != nil || result.Format != c.want {
				t.Errorf("%+v, %v; want %s", result, err, c.want)
			}
		})
	}
}

func TestAJPEGFitsItsBytes(t *testing.T) {
	o := landscape(t)
	_, free, err := o.render(t, thumbnail.Spec{Format: thumbnail.FormatJPEG})
	if err != nil {
		t.Fatal(err)
	}
	_, bound, err := o.render(t, thumbnail.Spec{Format: thumbnail.FormatJPEG, MaxBytes: len(free) * 2 / 3})
	if err != nil || len(bound) > len(free)*2/3 {
		t.Errorf("%d bytes, want at most %d: %v", len(bound), len(free)*2/3, err)
	}
}

func TestSharpening(t *testing.T) {
	body, err := samples.JPEG(samples.Landscape(1200, 800))
	o := read(t, body, err)
	s := thumbnail.Spec{Width: 60, Format: thumbnail.FormatPNG}
	plain := o.picture(t, s)
	s.Sharpen = &thumbnail.Sharpen{Sigma: .8, Amount: 1, Threshold: .01, Ratio: .85}
	sharp := o.picture(t, s)
	differ := 0
	for y := range 40 {
		for x := range 60 {
			if plain.At(x, y) != sharp.At(x, y) {
				differ++
			}
		}
	}
	if differ < 100 {
		t.Errorf("sharpening changed %d pixels of 2400", differ)
	}
}

func TestAnimations(t *testing.T) {
	body, err := samples.GIF(60, 3)
	o := read(t, body, err)
	for name, c := range map[string]struct {
		area     int64
		animated bool
	}{"within the area": {1_000_000, true}, "beyond it, the first frame": {1, false}} {
		t.Run(name, func(t *testing.T) {
			result, body, err := o.render(t, thumbnail.Spec{Width: 30, Format: thumbnail.FormatWebP, MaxAnimatedArea: c.area})
			if err != nil || result.Width != 30 || result.Height != 30 || bytes.Contains(body, []byte("ANIM")) != c.animated {
				t.Errorf("%+v, %d bytes, %v", result, len(body), err)
			}
		})
	}
}

// Render reads a tool's drawing from its raster.
func TestRasters(t *testing.T) {
	raster := []byte("P6\n4 2\n255\n")
	for range 8 {
		raster = append(raster, 255, 0, 0)
	}
	o := read(t, raster, nil)
	if r, g, _, _ := o.picture(t, thumbnail.Spec{Width: 8, Enlarge: true, Format: thumbnail.FormatPNG}).At(3, 1).RGBA(); r>>8 != 255 || g != 0 {
		t.Error("the raster has the wrong colour")
	}
	o.header.Offset = 0
	if _, _, err := o.render(t, thumbnail.Spec{Width: 2}); !fault.Is(err, fault.Undecodable) {
		t.Errorf("a raster without pixels: %v", err)
	}
}

func TestDebugFramesFocalPoints(t *testing.T) {
	o := landscape(t)
	s := thumbnail.Spec{Format: thumbnail.FormatPNG, Debug: true, Focal: []thumbnail.Rect{{Left: 100, Top: 50, Right: 140, Bottom: 90}}}
	m := o.picture(t, s)
	if r, g, b, _ := m.At(120, 50).RGBA(); r>>8 != 255 || g>>8 != 255 || b>>8 != 255 {
		t.Errorf("the frame is %v", m.At(120, 50))
	}
}

// A drawing's WebP is lossless, unless max_bytes asks for fewer bytes.
func TestMaxBytesOfEachLossyFormat(t *testing.T) {
	o := landscape(t)
	for _, row := range thumbnail.Formats() {
		if !row.Lossy || row.MovesOnly {
			continue
		}
		t.Run(string(row.Format), func(t *testing.T) {
			_, free, err := o.render(t, thumbnail.Spec{Format: row.Format})
			if err != nil {
				t.Fatal(err)
			}
			result, bound, err := o.render(t, thumbnail.Spec{Format: row.Format, MaxBytes: len(free) * 2 / 3})
			if err != nil || len(bound) > len(free)*2/3 || result.Format != row.Format {
				t.Errorf("%d bytes with a bound, %d without: %v", len(bound), len(free), err)
			}
		})
	}
}

func TestMeta(t *testing.T) {
	o := landscape(t)
	result, body, err := o.render(t, thumbnail.Spec{
		Meta: true, Width: 50, Height: 50, FlipX: true, FlipY: true, Original: thumbnail.Location{Path: "a.png"},
		Crop: &thumbnail.Rect{Left: 10, Top: 10, Right: 200, Bottom: 150}, Trim: &thumbnail.Trim{Corner: "top-left"},
		Focal: []thumbnail.Rect{{Left: 20, Top: 20, Right: 40, Bottom: 30}},
	})
	if err != nil || result.Format != thumbnail.FormatJSON {
		t.Fatalf("%+v, %v", result, err)
	}
	var d description
	if err := json.Unmarshal(body, &d); err != nil {
		t.Fatal(err)
	}
	got := d.Thumbor
	if got.Source != (sourceMeta{"a.png", width, height, 1}) || got.Target != (sizeMeta{50, 50}) || len(got.Focal) != 1 || got.Focal[0].X != 30 {
		t.Errorf("%+v", got)
	}
	var kinds []string
	for _, o := range got.Operations {
		kinds = append(kinds, o.(map[string]any)["type"].(string))
	}
	if !slices.Contains(kinds, "resize") || !slices.Equal(kinds[len(kinds)-2:], []string{"flip_horizontally", "flip_vertically"}) {
		t.Errorf("operations %v", kinds)
	}
}

func TestRefusals(t *testing.T) {
	o := landscape(t)
	huge := o
	huge.header.Width, huge.header.Height = 20_000, 20_000
	wide := thumbnail.Spec{Width: 17_000, Height: 1, Format: thumbnail.FormatWebP, Enlarge: true, Crop: &thumbnail.Rect{Right: 100, Bottom: 1}}
	body, err := samples.PNG(samples.Landscape(width, height))
	clear(body[33:]) // everything behind the header
	blank := read(t, body, err)
	for name, c := range map[string]struct {
		of   original
		spec thumbnail.Spec
		want fault.Kind
	}{
		"too many pixels":               {o, thumbnail.Spec{Width: 2000, Enlarge: true}, fault.BadURL},
		"too many by a filter":          {o, thumbnail.Spec{Operations: []thumbnail.Operation{{Name: thumbnail.StepProportion, Args: []float64{100}}}}, fault.BadURL},
		"trim of a very large original": {huge, thumbnail.Spec{Trim: &thumbnail.Trim{Corner: "top-left"}}, fault.BadURL},
		"a side that WebP cannot have":  {o, wide, fault.BadURL},
		"nothing but a header":          {blank, thumbnail.Spec{Width: 10}, fault.Undecodable},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := c.of.render(t, c.spec); !fault.Is(err, c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

// A render draws a truncated original as far as its file goes. libvips' warnings about it do not appear in the
// error of the next original.
func TestAnOriginalThatWasCutShort(t *testing.T) {
	body, err := samples.JPEG(samples.Landscape(width, height))
	o := read(t, body[:len(body)*2/3], err)
	if b := o.picture(t, thumbnail.Spec{Width: 60}).Bounds(); b.Dx() != 60 {
		t.Errorf("%v", b)
	}
	landscape(t).picture(t, thumbnail.Spec{Width: 60})
}
