// Package conformance holds the cluster to the thumbnails that Wikimedia's own
// renderer makes, with the originals and cases that THUMBMILL_CONFORMANCE names.
package conformance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"go.uber.org/goleak"
	_ "golang.org/x/image/webp"

	"github.com/thumbmill/thumbmill/loadtest/cluster"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	goleak.VerifyTestMain(m)
}

// variable names the folder of the cases.
const variable = "THUMBMILL_CONFORMANCE"

// one case, as cases.json has it
type one struct {
	Path      string  `json:"path"`
	Original  string  `json:"orig"`
	Width     int     `json:"expected_width"`
	Height    int     `json:"expected_height"`
	Tolerance float64 `json:"size_tolerance"`
	Reference string  `json:"mediawiki_reference_thumbnail"`
}

func cases(t *testing.T) (string, []one) {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		t.Skipf("%s is not set: it names the folder of the conformance cases", variable)
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

// rendered are the types that this renderer has engines for.
var rendered = []thumbnail.Type{thumbnail.TypeJPEG, thumbnail.TypePNG, thumbnail.TypeWebP, thumbnail.TypeGIF, thumbnail.TypeTIFF}

func TestWikimediasThumbnails(t *testing.T) {
	dir, all := cases(t)
	c := cluster.Start(t, cluster.Options{Settings: func(s *settings.Settings) {
		s.Store.Originals.Path = filepath.Join(dir, "originals")
		s.Render.Quality, s.Render.MaxAnimatedArea = 79, 6_000_000
		s.Renderer.Slots = 2
	}})
	var table bytes.Buffer
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tstatus\tsize\twanted\tbytes to Wikimedia's\tpath")
	passed, held := 0, 0
	for _, o := range all {
		a := c.Get(t.Context(), c.Edges[0], "/"+o.Path, "192.0.2.1")
		size := dimensions(a.Body)
		supported := slices.Contains(rendered, thumbnail.TypeOf(o.Original))
		ok := a.Status == 200 && size == image.Pt(o.Width, o.Height)
		mark := "ok"
		switch {
		case !supported && !ok:
			mark = "no engine"
			if a.Status != 400 {
				t.Errorf("%s: %d for a type without an engine, want a clear 400", o.Path, a.Status)
			}
		case !ok:
			mark = "FAIL"
			t.Errorf("%s: %d, %v; want %d × %d\n%s", o.Path, a.Status, size, o.Width, o.Height, a.Body[:min(200, len(a.Body))])
		}
		if supported {
			held++
		}
		if ok {
			passed++
		}
		fmt.Fprintf(w, "%s\t%d\t%v\t%dx%d\t%s\t%s\n", mark, a.Status, size, o.Width, o.Height, ratio(dir, o, a), o.Path)
	}
	_ = w.Flush()
	t.Logf("\n%s%d of %d cases have exact dimensions; %d are of types that this renderer reads", strings.TrimSuffix(table.String(), "\n")+"\n", passed, len(all), held)
}

func dimensions(body []byte) image.Point {
	config, _, err := image.DecodeConfig(bytes.NewReader(body))
	if err != nil {
		return image.Point{}
	}
	return image.Pt(config.Width, config.Height)
}

// ratio compares the answer's bytes with Wikimedia's thumbnail; it is shown and
// not yet judged.
func ratio(dir string, o one, a cluster.Answer) string {
	info, err := os.Stat(filepath.Join(dir, "thumbnails", o.Reference))
	if err != nil || a.Status != 200 {
		return "-"
	}
	return fmt.Sprintf("%.2f (tolerance %.2f)", float64(len(a.Body))/float64(info.Size()), o.Tolerance)
}
