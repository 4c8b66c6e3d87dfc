// Package conformance compares the cluster's thumbnails with thumbnails of Wikimedia's own
// renderer. THUMBMILL_CONFORMANCE names the folder of originals and cases.
package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/loadtest/tool/ssim"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestMain(m *testing.M) {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	goleak.VerifyTestMain(m)
}

// variable names the environment variable with the folder of the cases.
const variable = "THUMBMILL_CONFORMANCE"

// one is a case of cases.json.
type one struct {
	Path      string  `json:"path"`
	Original  string  `json:"orig"`
	Width     int     `json:"expected_width"`
	Height    int     `json:"expected_height"`
	SSIM      float64 `json:"expected_ssim"`
	Perfect   string  `json:"perfect_reference_thumbnail"`
	Tolerance float64 `json:"size_tolerance"`
	Reference string  `json:"mediawiki_reference_thumbnail"`
}

func cases(t *testing.T) (string, []one) {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		t.Skipf("%s is not set: set it to the folder of the conformance cases", variable)
	}
	text, err := os.ReadFile(filepath.Join(dir, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []one
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return dir, all
}

// The least results. Wikimedia's own software passes 68 of the 71 cases by this metric.
const (
	leastSimilar = 69
	leastSmall   = 0.9 // of all cases
)

func TestWikimediasThumbnails(t *testing.T) {
	dir, all := cases(t)
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Store.Originals.Path = filepath.Join(dir, "originals")
		s.Render.Quality, s.Render.MaxAnimatedArea = 79, 6_000_000
		s.Renderer.Slots = 2
	}})
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tSSIM\tof\tbytes\tof\tpath")
	similar, small := 0, 0
	for _, o := range all {
		got := judge(t, dir, o, c.Get(t.Context(), c.Edges[0], "/"+o.Path, "192.0.2.1"))
		if got.similar() {
			similar++
		}
		if got.small() {
			small++
		}
		fmt.Fprintf(w, "%s\t%.4f\t%.2f\t%.3f\t%.2f\t%s\n", got.mark(), got.ssim, o.SSIM, got.bytes, o.Tolerance, o.Path)
	}
	_ = w.Flush()
	t.Logf("\n%s\nof %d cases, %d reach the SSIM, %d are small enough", table.String(), len(all), similar, small)
	if similar < min(leastSimilar, len(all)) {
		t.Errorf("%d of %d cases reach the SSIM, at least %d must", similar, len(all), leastSimilar)
	}
	if float64(small) < leastSmall*float64(len(all)) {
		t.Errorf("%d of %d cases are small enough, at least nine in ten must be", small, len(all))
	}
}

// verdict is the result of a case.
type verdict struct {
	of    one
	ssim  float64 // over white or over black, the lower one
	bytes float64 // share of Wikimedia's bytes
}

// solid reports whether the reference is from another rasteriser. Such a case is compared by its
// silhouette.
func (v verdict) solid() bool   { return strings.HasSuffix(v.of.Original, ".stl") }
func (v verdict) similar() bool { return v.ssim >= v.of.SSIM || v.solid() && v.ssim >= 0.9 }
func (v verdict) small() bool   { return v.bytes <= v.of.Tolerance }

func (v verdict) mark() string {
	switch {
	case !v.similar():
		return "UNLIKE"
	case !v.small():
		return "large"
	}
	return "ok"
}

// judge checks the size of a picture, and compares it with the references.
func judge(t *testing.T, dir string, o one, a cluster.Answer) verdict {
	t.Helper()
	v := verdict{of: o}
	if a.Status != 200 {
		t.Errorf("%s: %d\n%s", o.Path, a.Status, a.Body[:min(300, len(a.Body))])
		return v
	}
	got := decode(t, a.Body)
	if size := got.Bounds().Size(); size != image.Pt(o.Width, o.Height) {
		t.Errorf("%s: %v, want %d × %d", o.Path, size, o.Width, o.Height)
		return v
	}
	perfect, err := os.ReadFile(filepath.Join(dir, "thumbnails", o.Perfect))
	if err != nil {
		t.Fatal(err)
	}
	want := decode(t, perfect)
	if v.solid() {
		got, want = silhouette(got), silhouette(want)
	}
	v.ssim = 1
	backgrounds := []uint8{255, 0}
	if o, ok := want.(interface{ Opaque() bool }); ok && o.Opaque() {
		backgrounds = backgrounds[:1]
	}
	for _, background := range backgrounds {
		value, err := ssim.Mean(got, want, background)
		if err != nil {
			t.Errorf("%s: %v", o.Path, err)
		}
		v.ssim = min(v.ssim, value)
	}
	theirs, err := os.Stat(filepath.Join(dir, "thumbnails", o.Reference))
	if err != nil {
		t.Fatal(err)
	}
	v.bytes = float64(len(a.Body)) / float64(theirs.Size())
	return v
}

// silhouette is white where something covers the dark background.
func silhouette(m image.Image) image.Image {
	b := m.Bounds()
	out := image.NewGray(b)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if color.GrayModel.Convert(m.At(x, y)).(color.Gray).Y > 0x40 {
				out.SetGray(x, y, color.Gray{Y: 255})
			}
		}
	}
	return out
}

// decode decodes WebP with libwebp's own program: Go's decoder treats colours of limited range as
// full range.
func decode(t *testing.T, body []byte) image.Image {
	t.Helper()
	if bytes.HasPrefix(body, []byte("RIFF")) {
		command := exec.Command("dwebp", "-quiet", "-o", "-", "--", "-")
		command.Stdin = bytes.NewReader(body)
		png, err := command.Output()
		if err != nil {
			t.Fatalf("dwebp: %v", err)
		}
		body = png
	}
	m, _, err := image.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return m
}
