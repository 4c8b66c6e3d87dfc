package tools

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/renderer/internal/guard"
	"github.com/thumbmill/thumbmill/renderer/internal/metadata"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="160" height="120">
<switch><rect systemLanguage="fr" width="160" height="120" fill="blue"/><rect width="160" height="120" fill="red"/></switch></svg>`

// chinese has a colour for each Chinese script: red for simplified, blue for traditional.
const chinese = `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><switch><rect systemLanguage="zh-hans" width="8" height="8" fill="red"/>
<rect systemLanguage="zh-hant" width="8" height="8" fill="blue"/><rect width="8" height="8"/></switch></svg>`

// shadow has only the shadow of a rectangle in its middle.
const shadow = `<svg xmlns="http://www.w3.org/2000/svg" width="80" height="80"><filter id="f" x="-1" y="-1" width="9" height="9">
<feDropShadow dx="40" dy="40" stdDeviation="0" flood-color="red"/></filter><rect x="-2" y="-2" width="9" height="9" fill="blue" filter="url(#f)"/></svg>`

// plain returns a red drawing of the given size. more are further attributes of the root element.
func plain(width, height, more string) string {
	return `<svg xmlns="http://www.w3.org/2000/svg" width="` + width + `" height="` + height + `" ` + more +
		` viewBox="0 0 200 100"><rect x="-999" y="-999" width="9999" height="9999" fill="red"/></svg>`
}

// page is a PDF with a red page and a blue page of 160 × 120 points each.
const page = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R 5 0 R]/Count 2>>endobj\n" +
	"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 160 120]/Contents 4 0 R>>endobj\n4 0 obj<</Length 30>>stream\n1 0 0 rg 0 0 160 120 re f      \nendstream endobj\n" +
	"5 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 160 120]/Contents 6 0 R>>endobj\n6 0 obj<</Length 30>>stream\n0 0 1 rg 0 0 160 120 re f      \nendstream endobj\n" +
	"trailer<</Root 1 0 R>>\n"

const tetrahedron = "solid a\nfacet\nvertex 0 0 0\nvertex 9 0 0\nvertex 0 9 0\nendfacet\nfacet\nvertex 0 0 0\nvertex 9 0 0\nvertex 0 0 9\nendfacet\n"

// folder makes a worker's folder, and changes to the working directory that the worker has in it.
func folder(t *testing.T) string {
	t.Helper()
	path := t.TempDir()
	for _, part := range []string{Incoming(path), Scratch(path)} {
		if err := os.Mkdir(part, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := Furnish(path); err != nil {
		t.Fatal(err)
	}
	t.Chdir(Scratch(path))
	return path
}

// work does the request on an original with these bytes, and returns the output. guard reads the
// header unless the request has a header.
func work(t *testing.T, r Request, body []byte) ([]byte, error) {
	t.Helper()
	path := folder(t)
	if err := os.WriteFile(Named(path), body, 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if r.Original, err = os.Open(Named(path)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Original.Close() }()
	if r.Out, err = os.Create(filepath.Join(t.TempDir(), "made")); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Out.Close() }()
	if r.Header.Type == "" && r.Work != Optimize {
		if r.Header, err = guard.Inspect(r.Original, int64(len(body)), r.Spec.Type, 1<<40); err != nil {
			t.Fatal(err)
		}
	}
	if r.MaxPixels == 0 {
		r.MaxPixels = 1_000_000
	}
	working := Open().Run(r)
	made, err := os.ReadFile(r.Out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return made, working
}

// made returns the file that a program writes from a picture of 160 × 120 pixels.
func made(t *testing.T, out, program string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed", program)
	}
	dir := t.TempDir()
	picture := samples.Landscape(160, 120)
	png, err := samples.PNG(picture)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "in.png"), png, 0o600)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "in.ppm"), ppm(picture), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, text)
	}
	body, err := os.ReadFile(filepath.Join(dir, out))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func ppm(m *image.RGBA) []byte {
	all := []byte("P6\n160 120\n255\n")
	for c := range slices.Chunk(m.Pix, 4) {
		all = append(all, c[:3]...)
	}
	return all
}

// raster returns the size and the middle pixel of a tool's output: a PPM, or a picture that Go reads.
func raster(t *testing.T, body []byte) (width, height int, middle [3]uint8) {
	t.Helper()
	if m, _, err := image.Decode(bytes.NewReader(body)); err == nil {
		r, g, b, _ := m.At(m.Bounds().Dx()/2, m.Bounds().Dy()/2).RGBA()
		return m.Bounds().Dx(), m.Bounds().Dy(), [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
	}
	h, err := guard.Drawn(bytes.NewReader(body), int64(len(body)), 1<<40)
	if err != nil {
		t.Fatalf("%d bytes are not a raster: %v", len(body), err)
	}
	at := int(h.Offset) + (h.Height/2*h.Width+h.Width/2)*h.Bands
	return h.Width, h.Height, [3]uint8{body[at], body[at+1], body[at+2]}
}

var (
	red  = [3]uint8{255, 0, 0}
	blue = [3]uint8{0, 0, 255}
)

// wide is a text in UTF-16, as an editor of Windows stores it.
func wide(text string) string {
	out := "\xff\xfe"
	for _, c := range []byte(text) {
		out += string([]byte{c, 0})
	}
	return out
}

func TestDrawings(t *testing.T) {
	for name, c := range map[string]struct {
		spec          thumbnail.Spec
		body          string
		width, height int
		middle        [3]uint8
	}{
		"a drawing at the thumbnail's size": {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 320}, drawing, 320, 240, red},
		"in a language":                     {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80, Lang: "fr"}, drawing, 80, 60, blue},
		"in a language with a region":       {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80, Lang: "fr-CA"}, drawing, 80, 60, blue},
		"a crop in the drawing's own size":  {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80, Crop: &thumbnail.Rect{Right: 10, Bottom: 10}}, drawing, 160, 120, red},
		"the drawing's own size":            {thumbnail.Spec{Type: thumbnail.TypeSVG}, drawing, 160, 120, red},
		"a language that is not a locale":   {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80, Lang: "zh-hant"}, chinese, 80, 80, blue},
		"MediaWiki's fallback language":     {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80, Lang: "zh-hk"}, chinese, 80, 80, blue},
		"in a language, in UTF-16":          {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80, Lang: "fr"}, wide(drawing), 80, 60, blue},
		"in no language, in UTF-16":         {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80}, wide(drawing), 80, 60, red},
		"a fractional height":               {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 400}, plain("412.279", "244.576", ""), 400, 238, red},
		"a size in fonts":                   {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 100}, plain("10em", "100", `font-size="20"`), 100, 50, red},
		"a size by style":                   {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 100}, plain("100", "100", `style="width:200px"`), 100, 50, red},
		"a box that the drawing covers":     {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 100, Height: 80}, plain("10em", "100", `font-size="20"`), 160, 80, red},
		"a box that the drawing fits in":    {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 100, Height: 80, Fit: thumbnail.FitIn}, plain("10em", "100", `font-size="20"`), 100, 50, red},
		"a tiny drawing":                    {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 100}, plain("0.4", "0.2", ""), 100, 50, red},
		"a tiny drawing that fits in a box": {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 100, Height: 80, Fit: thumbnail.FitIn}, plain("0.4", "0.2", ""), 100, 50, red},
		"a vast drawing":                    {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 100}, plain("4e8", "2e8", ""), 100, 50, red},
		"a shadow":                          {thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80}, shadow, 80, 80, red},
		"a page at 150 dots per inch":       {thumbnail.Spec{Type: thumbnail.TypePDF}, page, 334, 250, red},
		"a page of two points":              {thumbnail.Spec{Type: thumbnail.TypePDF, Width: 100}, strings.ReplaceAll(page, "160 120", "2 1"), 840, 420, red},
		"a page in proportion":              {thumbnail.Spec{Type: thumbnail.TypePDF, Width: 200}, strings.ReplaceAll(page, "160 120", "100 50.2"), 837, 420, red},
		"a rotated page in proportion":      {thumbnail.Spec{Type: thumbnail.TypePDF, Width: 200}, strings.ReplaceAll(strings.ReplaceAll(page, "160 120", "50.2 100"), "100]", "100]/Rotate 90"), 837, 420, red},
		"a page with an empty crop box":     {thumbnail.Spec{Type: thumbnail.TypePDF}, strings.ReplaceAll(page, "120]", "120]/CropBox[160 120 320 240]"), 334, 250, red},
		"a rotated page":                    {thumbnail.Spec{Type: thumbnail.TypePDF, Width: 90}, strings.ReplaceAll(page, "120]", "120]/Rotate 90"), 420, 560, red},
		"a small page that fits in":         {thumbnail.Spec{Type: thumbnail.TypePDF, Width: 900, Fit: thumbnail.FitIn}, page, 334, 250, red},
		"the second page":                   {thumbnail.Spec{Type: thumbnail.TypePDF, Page: 2}, page, 334, 250, blue},
		"the first page for a missing page": {thumbnail.Spec{Type: thumbnail.TypePDF, Page: 9}, page, 334, 250, red},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := work(t, Request{Work: Draw, Spec: c.spec}, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if w, h, middle := raster(t, body); w != c.width || h != c.height || middle != c.middle {
				t.Errorf("%d × %d with %v in the middle, want %d × %d with %v", w, h, middle, c.width, c.height, c.middle)
			}
		})
	}
}

// After the death of a worker, the program draws, whose crash ends no worker.
func TestADrawingThatEndedAWorker(t *testing.T) {
	crashing := t.TempDir()
	if err := os.WriteFile(filepath.Join(crashing, "rsvg-convert"), []byte("#!/bin/sh\nkill -SEGV $$\n"), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Setenv("PATH", crashing+":"+os.Getenv("PATH"))
	spec := thumbnail.Spec{Type: thumbnail.TypeSVG, Width: 80}
	if _, err := work(t, Request{Work: Draw, Spec: spec}, []byte(plain("20", "20", ""))); err != nil {
		t.Errorf("the library: %v", err)
	}
	if _, err := work(t, Request{Work: Draw, Spec: spec, Careful: true}, []byte(plain("20", "20", ""))); !fault.Is(err, fault.Undecodable) {
		t.Errorf("the program that crashes: %v", err)
	}
}

// A page that would have too many pixels gets fewer dots per inch.
func TestALargePageIsDrawnCoarser(t *testing.T) {
	body, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypePDF}, MaxPixels: 10_000}, []byte(page))
	if err != nil {
		t.Fatal(err)
	}
	if w, h, _ := raster(t, body); w*h > 10_000 || w*h < 9_000 {
		t.Errorf("%d × %d pixels, want at most 10000 and at least 9000", w, h)
	}
}

// A page that takes poppler too long is drawn by MuPDF.
func TestASlowPage(t *testing.T) {
	if _, err := exec.LookPath("mutool"); err != nil {
		t.Skip("mutool is not installed")
	}
	slow := t.TempDir()
	if err := os.WriteFile(filepath.Join(slow, "pdftoppm"), []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil { //nolint:gosec // a program
		t.Fatal(err)
	}
	t.Setenv("PATH", slow+":"+os.Getenv("PATH"))
	for _, within := range []time.Duration{patient, patient - time.Second} {
		body, err := work(t, Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypePDF}, Within: within}, []byte(page))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, middle := raster(t, body); middle != red {
			t.Errorf("within %s, the middle has the colour %v", within, middle)
		}
	}
}

func TestOtherTypes(t *testing.T) {
	djvu := func(t *testing.T) []byte { return made(t, "out.djvu", "c44", "in.ppm", "out.djvu") }
	video := func(t *testing.T) []byte {
		return made(t, "out.webm", "ffmpeg", "-v", "error", "-loop", "1", "-i", "in.png", "-t", "2", "-r", "5", "-c:v", "libvpx", "out.webm")
	}
	odd := func(t *testing.T) []byte {
		return made(t, "out.jp2", "opj_compress", "-i", "in.ppm", "-o", "out.jp2", "-t", "47,31", "-n", "3")
	}
	bare := func(t *testing.T) []byte {
		return made(t, "out.j2k", "opj_compress", "-i", "in.ppm", "-o", "out.j2k", "-n", "1")
	}
	for name, c := range map[string]struct {
		body          func(*testing.T) []byte
		spec          thumbnail.Spec
		maxPixels     int64
		width, height int
	}{
		"a page of a DjVu":            {djvu, thumbnail.Spec{Type: thumbnail.TypeDjVu}, 0, 160, 120},
		"a DjVu shrunk by a factor":   {djvu, thumbnail.Spec{Type: thumbnail.TypeDjVu}, 5000, 80, 60},
		"the middle of a video":       {video, thumbnail.Spec{Type: thumbnail.TypeVideo}, 0, 160, 120},
		"a second beyond the end":     {video, thumbnail.Spec{Type: thumbnail.TypeVideo, Page: 100}, 0, 160, 120},
		"a JPEG 2000 of odd tiles":    {odd, thumbnail.Spec{Type: thumbnail.TypeJP2}, 0, 160, 120},
		"a JPEG 2000 that is reduced": {odd, thumbnail.Spec{Type: thumbnail.TypeJP2, Width: 40}, 0, 80, 60},
		"a JPEG 2000, one resolution": {bare, thumbnail.Spec{Type: thumbnail.TypeJP2, Width: 20}, 0, 160, 120},
		"a solid at thumbnail size":   {aSolid, thumbnail.Spec{Type: thumbnail.TypeSTL, Width: 320}, 0, 320, 240},
		"a cropped solid":             {aSolid, thumbnail.Spec{Type: thumbnail.TypeSTL, Width: 320, Crop: &thumbnail.Rect{Right: 9, Bottom: 9}}, 0, 640, 480},
		"a solid of very many pixels": {aSolid, thumbnail.Spec{Type: thumbnail.TypeSTL, Width: 4000}, 0, 2000, 1500},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := work(t, Request{Work: Draw, Spec: c.spec, MaxPixels: c.maxPixels}, c.body(t))
			if err != nil {
				t.Fatal(err)
			}
			if w, h, _ := raster(t, body); w != c.width || h != c.height {
				t.Errorf("%d × %d, want %d × %d", w, h, c.width, c.height)
			}
		})
	}
}

func aSolid(*testing.T) []byte { return []byte(tetrahedron) }

func TestXCF(t *testing.T) {
	_, err := work(t, Request{Work: Draw, Header: guard.Header{Type: thumbnail.TypeXCF}}, []byte("gimp xcf file\x00"))
	if !fault.Is(err, fault.Undecodable) {
		t.Errorf("a broken XCF: %v", err)
	}
}

// A PNG has its profile after the header, and the picture stays whole.
func TestAPNGWithItsProfile(t *testing.T) {
	grey, profile := greyOf(samples.Disc(9), []byte("a profile"))
	if profile != nil || grey.Bounds().Dx() != 9 {
		t.Errorf("a transparent picture kept the profile of a grey picture: %q", profile)
	}
	opaque := image.NewNRGBA(image.Rect(0, 0, 2, 1))
	for i := range opaque.Pix {
		opaque.Pix[i] = 255
	}
	grey, profile = greyOf(opaque, []byte("a profile"))
	var file bytes.Buffer
	if err := writePNG(&file, grey, profile); err != nil {
		t.Fatal(err)
	}
	if at := bytes.Index(file.Bytes(), []byte("iCCPicc")); at != metadata.PNGStart+4 {
		t.Errorf("the profile is at byte %d", at)
	}
	m, _, err := image.Decode(&file)
	if _, ok := m.(*image.Gray); err != nil || !ok {
		t.Errorf("%T, %v", m, err)
	}
}

func TestAnimations(t *testing.T) {
	spinner, err := samples.GIF(60, 4)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spec   thumbnail.Spec
		frames int
	}{
		"all frames within the area": {thumbnail.Spec{Width: 30, MaxAnimatedArea: 1_000_000}, 4},
		"one frame beyond the area":  {thumbnail.Spec{Width: 30, MaxAnimatedArea: 1}, 1},
		"cropped and mirrored":       {thumbnail.Spec{Width: 30, Height: 30, FlipX: true, FlipY: true, MaxAnimatedArea: 1_000_000, Crop: &thumbnail.Rect{Right: 40, Bottom: 40}}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			body, err := work(t, Request{Work: Animate, Spec: c.spec}, spinner)
			if err != nil {
				t.Fatal(err)
			}
			h, err := guard.Inspect(bytes.NewReader(body), int64(len(body)), thumbnail.TypeGIF, 1<<40)
			if err != nil || h.Width != 30 || h.Height != 30 || h.Frames != c.frames {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
}

func TestOptimizers(t *testing.T) {
	for format, draw := range map[thumbnail.Format]func() ([]byte, error){
		thumbnail.FormatJPEG: func() ([]byte, error) { return samples.JPEG(samples.Landscape(160, 120)) },
		thumbnail.FormatPNG:  func() ([]byte, error) { return samples.PNG(samples.Disc(60)) },
		thumbnail.FormatGIF:  func() ([]byte, error) { return samples.GIF(60, 1) },
	} {
		t.Run(string(format), func(t *testing.T) {
			body, err := draw()
			if err != nil {
				t.Fatal(err)
			}
			smaller, err := work(t, Request{Work: Optimize, Spec: thumbnail.Spec{Format: format}}, body)
			if err != nil {
				t.Fatal(err)
			}
			w, h, middle := raster(t, smaller)
			wantW, wantH, wantMiddle := raster(t, body)
			if w != wantW || h != wantH || middle != wantMiddle || len(smaller) > len(body) {
				t.Errorf("%d × %d in %d bytes, want %d × %d in at most %d bytes", w, h, len(smaller), wantW, wantH, len(body))
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	wide := `<svg xmlns="http://www.w3.org/2000/svg" width="16000" height="12000"/>`
	huge := strings.ReplaceAll(page, "160 120", "9e9 9e9")
	for name, c := range map[string]struct {
		request Request
		body    string
		want    fault.Kind
	}{
		"a type that no tool draws":    {Request{Work: Draw, Header: guard.Header{Type: thumbnail.TypeWebP}}, "", fault.Unsupported},
		"a drawing of too many pixels": {Request{Work: Draw, Spec: thumbnail.Spec{Type: thumbnail.TypeSVG}}, wide, fault.TooLarge},
		"a broken drawing":             {Request{Work: Draw, Header: guard.Header{Type: thumbnail.TypeSVG}}, "<svg", fault.Undecodable},
		"a broken document":            {Request{Work: Draw, Header: guard.Header{Type: thumbnail.TypePDF}}, "%PDF-", fault.Undecodable},
		"a document of a vast size":    {Request{Work: Draw, Header: guard.Header{Type: thumbnail.TypePDF}, MaxPixels: 1}, huge, fault.TooLarge},
		"a broken DjVu":                {Request{Work: Draw, Header: guard.Header{Type: thumbnail.TypeDjVu}}, "AT&TFORM", fault.Undecodable},
		"a broken video":               {Request{Work: Draw, Header: guard.Header{Type: thumbnail.TypeVideo}}, "RIFF", fault.Undecodable},
		"a broken solid":               {Request{Work: Draw, Header: guard.Header{Type: thumbnail.TypeSTL}}, "solid", fault.Undecodable},
		"a broken animation":           {Request{Work: Animate, Header: guard.Header{Type: thumbnail.TypeGIF, Width: 9, Height: 9}}, "no GIF", fault.Undecodable},
		"a broken thumbnail":           {Request{Work: Optimize, Spec: thumbnail.Spec{Format: thumbnail.FormatPNG}}, "\x89PNG", fault.Undecodable},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := work(t, c.request, []byte(c.body)); !fault.Is(err, c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
}

func TestPAM(t *testing.T) {
	for name, c := range map[string]struct{ header, want string }{
		"grey":        {"P5\n# a\n1 1\n255\n\x07", "{7 7 7 255}"},
		"colours":     {"P6\n1 1\n255\n\x01\x02\x03", "{1 2 3 255}"},
		"with alpha":  {"P7\n# a\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n\x01\x02\x03\x04", "{1 2 3 4}"},
		"too deep":    {"P6\n1 1\n65535\n\x01\x02\x03", ""},
		"too short":   {"P6\n2 1\n255\n\x01\x02\x03", ""},
		"no end":      {strings.Repeat("P7\n", 99), ""},
		"no numbers":  {"P7\nENDHDR\n", ""},
		"too many":    {"P6\n1000 1001\n255\n", ""},
		"an odd word": {"P6 x\n1 1 255\n", ""},
	} {
		var out bytes.Buffer
		err := repackPAM(&out, strings.NewReader(c.header), 1_000_000)
		got := ""
		if m, _, broken := image.Decode(&out); broken == nil {
			got = fmt.Sprint(color.NRGBAModel.Convert(m.At(0, 0)))
		}
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %s, %v; want %s", name, got, err, c.want)
		}
	}
}

// Types omits the work whose programs are missing.
func TestMissingPrograms(t *testing.T) {
	if all := Open().Types(); !slices.Contains(all, "draw stl") || !slices.Contains(all, "draw svg") || !slices.Contains(all, "optimize png") {
		t.Errorf("Types returns %v", all)
	}
	t.Setenv("PATH", t.TempDir())
	lacking := Open()
	if all := lacking.Types(); !slices.Equal(all, []string{"draw xcf", "draw bmp", "draw tga", "draw stl", "letter text"}) {
		t.Errorf("Types returns %v without any program", all)
	}
	if len(lacking.Executables()) != 2 || len(Visible()) == 0 {
		t.Errorf("executables without any program: %v", lacking.Executables())
	}
}

func TestMessagesOfPrograms(t *testing.T) {
	info := "Title: Pages: 3\nPages: 1\nPages:   12\nPage    3 size:  792 x 612 pts (letter)\n"
	if n := number(info, "Pages:"); n != 12 {
		t.Errorf("%d pages", n)
	}
	if w, h := pageSize(info); w != 792 || h != 612 {
		t.Errorf("%v × %v points", w, h)
	}
	for text, want := range map[string]bool{"std::bad_alloc": true, "Out of memory": true, "syntax error": false} {
		if (&task{}).outOfMemory(text) != want {
			t.Errorf("outOfMemory(%q) is %v", text, !want)
		}
	}
	var kept bytes.Buffer
	if n, err := (&limited{to: &kept, left: 3}).Write([]byte("abcdef")); n != 6 || err != nil || kept.String() != "abc" {
		t.Errorf("kept %q, %d, %v", kept.String(), n, err)
	}
}

// A program that a limit ends gives the fault of that limit.
func TestLimitsThatEndPrograms(t *testing.T) {
	for signal, want := range map[string]fault.Kind{"XCPU": fault.Overran, "XFSZ": fault.TooLarge, "TERM": fault.Undecodable} {
		err := exec.Command("/bin/sh", "-c", "kill -"+signal+" $$").Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if err := (&task{}).ended(exit, "a complaint"); !fault.Is(err, want) {
			t.Errorf("%s: %v, want %s", signal, err, want)
		}
	}
	err := exec.Command("/bin/false").Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && !fault.Is((&task{}).ended(exit, "std::bad_alloc"), fault.TooLarge) {
		t.Error("a lack of memory is not reported as too large")
	}
}
