package judge

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// even returns a picture of one colour.
func even(width, height int, c color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := 0; i < len(m.Pix); i += 4 {
		m.Pix[i], m.Pix[i+1], m.Pix[i+2], m.Pix[i+3] = c.R, c.G, c.B, c.A
	}
	return m
}

var (
	red  = color.NRGBA{255, 0, 0, 255}
	dark = color.NRGBA{100, 0, 0, 255}
	veil = color.NRGBA{255, 0, 0, 90}
)

func TestVerdicts(t *testing.T) {
	for name, c := range map[string]struct {
		ours       *image.NRGBA
		references []*image.NRGBA
		want       Verdict
	}{
		"one reference, alike":           {even(32, 24, red), []*image.NRGBA{even(64, 48, red)}, Right},
		"one of two is alike":            {even(32, 24, red), []*image.NRGBA{even(64, 48, dark), even(64, 48, red)}, Right},
		"two that differ, neither alike": {even(32, 24, veil), []*image.NRGBA{even(64, 48, dark), even(64, 48, red)}, Unclear},
		"two that agree, otherwise":      {even(32, 24, dark), []*image.NRGBA{even(64, 48, red), even(64, 48, red)}, Differs},
		"alpha is lost":                  {even(32, 24, red), []*image.NRGBA{even(64, 48, veil)}, Differs},
		"another shape":                  {even(32, 40, red), []*image.NRGBA{even(64, 48, red)}, WrongSize},
		"nobody else reads it":           {even(32, 24, red), nil, DrawnAlone},
	} {
		r := Result{ours: c.ours}
		var references []reference
		for _, m := range c.references {
			references = append(references, reference{"test", m})
		}
		if r.against(references, true); r.Verdict != c.want {
			t.Errorf("%s: %s, want %s (%s)", name, r.Verdict, c.want, r.Difference)
		}
	}
}

func encoded(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A run judges all files except the files of an earlier run, and reports each.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"known.png", "refused.png", "broken.png", "slow.png", "readme.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("no picture"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stop := make(chan struct{})
	edge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "refused.png"):
			http.Error(w, "it is damaged", http.StatusUnprocessableEntity)
		case strings.HasSuffix(r.URL.Path, "slow.png"):
			<-stop
		default:
			http.Error(w, "oh", http.StatusInternalServerError)
		}
	}))
	defer edge.Close()
	defer close(stop)
	names, err := Originals(dir)
	if err != nil || len(names) != 4 {
		t.Fatalf("%v %v", names, err)
	}
	got := map[string]Verdict{}
	Run(t.Context(), Config{
		Dir: dir, Edge: edge.URL, Width: 320, Timeout: time.Second, Concurrency: 2,
		Known: map[string]Result{"known.png": {}}, Done: func(r Result) { got[r.Name] = r.Verdict },
	}, names)
	want := map[string]Verdict{"refused.png": BothRefuse, "broken.png": Broken, "slow.png": TooSlow}
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s: %s, want %s", name, got[name], v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
}

func TestExpectations(t *testing.T) {
	picture := Answer{Status: 200, Body: encoded(t, even(32, 24, red))}
	for name, c := range map[string]struct {
		expected Expectation
		answer   Answer
		wrong    string
	}{
		"right":                  {Sized(32, 24).At(.5, .5, 0xff0000ff, 2), picture, ""},
		"another colour":         {Sized(32, 24).At(.5, .5, 0xf00000ff, 2), picture, "#ff0000ff"},
		"another size":           {Sized(32, 25), picture, "(32,24)"},
		"another format":         {Expectation{}.As("webp"), picture, "png"},
		"a still":                {Expectation{}.Animated(2), picture, "1 frames"},
		"nothing to see":         {Expectation{}.Drawn(), picture, "nothing"},
		"drawn and not refused":  {Refused(), picture, "refusal"},
		"refused and not drawn":  {Sized(32, 24), Answer{Status: 422, Body: []byte("damaged")}, "422"},
		"refused in a clear way": {Sized(32, 24).OrRefused(), Answer{Status: 422, Body: []byte("damaged")}, ""},
		"refused in no words":    {Sized(32, 24).OrRefused(), Answer{Status: 422, Body: []byte("bad (libvips: )")}, "libvips"},
		"an error is no refusal": {Sized(32, 24).OrRefused(), Answer{Status: 500, Body: []byte("oh")}, "500"},
	} {
		var p Picture
		if c.answer.Status == 200 {
			var err error
			if p, err = Decode(t.Context(), c.answer.Body); err != nil {
				t.Fatal(err)
			}
		}
		err := c.expected.Check(c.answer, p)
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %q", name, err, c.wrong)
		}
	}
}

func TestTablesAndPages(t *testing.T) {
	all := Results{
		{Name: "a.png", Kind: "png", Verdict: Right}, {Name: "<b>.png", Kind: "png", Verdict: Differs, Reference: "pillow", ours: even(8, 8, red), theirs: even(8, 8, dark)},
		{Name: "c.jpg", Kind: "jpeg", Verdict: Broken, Said: "oh"},
	}
	var table, page bytes.Buffer
	if err := all.Text(&table, 1); err != nil {
		t.Fatal(err)
	}
	if text := table.String(); !strings.Contains(text, "c.jpg") || strings.Contains(text, "a.png") || strings.Contains(text, "b.png") {
		t.Errorf("the table does not list only the worst result:\n%s", text)
	}
	if err := all.HTML(&page, 5); err != nil {
		t.Fatal(err)
	}
	if text := page.String(); strings.Contains(text, "<b>.png") || strings.Count(text, "data:image/png") != 2 {
		t.Errorf("the page:\n%s", text)
	}
}

// Lines of an interrupted run are read, except an incomplete one.
func TestResultsAreReadAgain(t *testing.T) {
	got := ReadResults(strings.NewReader(`{"name":"a.png","verdict":"right"}` + "\n" + `{"name":"b.png","ver`))
	if len(got) != 1 || got["a.png"].Verdict != Right {
		t.Errorf("%v", got)
	}
}
