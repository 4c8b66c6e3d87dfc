package engine

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/portrait"
	"github.com/thumbmill/thumbmill/renderer/internal/worker"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// buildFaces builds thumbmill-faces, and returns its folder. It skips the test without OpenCV.
func buildFaces(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	must(t, os.Chmod(filepath.Dir(folder), 0o755)) // workers run as another user
	must(t, os.Chmod(folder, 0o755))
	said, err := exec.Command("../../faces/build", folder).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if _, err := os.Stat(filepath.Join(folder, "thumbmill-faces")); err != nil {
		t.Skip(string(said))
	}
	return folder
}

// portraitOf is a wall with a face at the right.
func portraitOf(width int) *image.RGBA {
	m := portrait.Wall(width, width*5/8)
	portrait.Face(m, float64(width)*.7, float64(width)*.3, float64(width)*.09)
	return m
}

// centreOf returns the column of the middle of the pixels that are as dark as pupils.
func centreOf(t *testing.T, r Result, err error) int {
	t.Helper()
	must(t, err)
	m, err := png.Decode(bytes.NewReader(r.Image))
	must(t, err)
	sum, n := 0, 0
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if c := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA); c.R < 45 && c.G < 45 {
				sum, n = sum+x, n+1
			}
		}
	}
	return sum / max(1, n)
}

// A smart cut keeps a face in its middle, at every size of the original. Without the program, it keeps the part
// that stands out.
func TestSmartCutsKeepFaces(t *testing.T) {
	e := enginesWith(t, buildFaces(t))
	without := *e
	without.config.Tools = lacking{e.config.Tools, "faces"}
	if !slices.Contains(e.Types(), "find faces") {
		t.Fatalf("the engines are %v", e.Types())
	}
	smart := thumbnail.Spec{Width: 100, Height: 160, Smart: true, Format: thumbnail.FormatPNG}
	for _, width := range []int{640, 1900} {
		var body bytes.Buffer
		must(t, png.Encode(&body, portraitOf(width)))
		r, err := draw(t, e, smart, body.Bytes())
		if at := centreOf(t, r, err); at < 44 || at > 56 {
			t.Errorf("of %d pixels: the face is at %d of 100", width, at)
		}
		described := smart
		described.Meta = true
		if told, err := draw(t, e, described, body.Bytes()); err != nil || !bytes.Contains(told.Image, []byte(`"Face Detection"`)) {
			t.Errorf("of %d pixels: %s, %v", width, told.Image, err)
		}
		searchedOnce(t, e, body.Bytes())
		if r, err = draw(t, &without, smart, body.Bytes()); centreOf(t, r, err) != 0 {
			t.Errorf("of %d pixels: without the program, the face is at %d of 100 too", width, centreOf(t, r, err))
		}
	}
}

// searchedOnce draws several smart cuts of one original in a batch.
func searchedOnce(t *testing.T, e *Engines, body []byte) {
	t.Helper()
	tools, vips := &counting{as: e.config.Tools}, &counting{as: e.config.Vips}
	counted := *e
	counted.config.Tools, counted.config.Vips = tools, vips
	specs := []thumbnail.Spec{
		{Width: 100, Height: 160, Smart: true, Format: thumbnail.FormatPNG}, {Width: 90, Format: thumbnail.FormatPNG},
		{Width: 50, Height: 80, Smart: true, Format: thumbnail.FormatPNG},
	}
	err := counted.Several(context.Background(), specs, opened(t, body), 400_000_000, ample, func(i int, r Result, err error) {
		if half := specs[i].Width / 2; specs[i].Smart && math.Abs(float64(centreOf(t, r, err)-half)) > float64(half)/8 {
			t.Errorf("in a batch: the face is at %d of %d", centreOf(t, r, err), specs[i].Width)
		}
	})
	if err != nil || tools.tasks != 1 || vips.together != 1 {
		t.Errorf("%d searches, %d batches, %v; want one each", tools.tasks, vips.together, err)
	}
}

func TestAreas(t *testing.T) {
	drawn := worker.Report{Width: 100, Height: 50, Sides: [2]float64{1000, 500}}
	for text, want := range map[string][]thumbnail.Rect{
		"[]":                          nil,
		`[{"x":10,"y":20,"side":10}]`: {{Left: 100, Top: 188, Right: 200, Bottom: 288}},
		`[{"x":0,"y":0,"side":10}]`:   {{Left: 0, Top: 0, Right: 100, Bottom: 100}},
		`[{"x":95,"y":0,"side":10},{"x":-1,"y":0,"side":9},{"x":1,"y":1,"side":0}]`: nil,
	} {
		if got, err := areas([]byte(text), drawn); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if _, err := areas([]byte("Segmentation fault"), drawn); err == nil {
		t.Error("no error for a text that is not JSON")
	}
}
