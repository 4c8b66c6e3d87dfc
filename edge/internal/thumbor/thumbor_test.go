package thumbor

import (
	"reflect"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/edge/internal/signature"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/value"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func parser(key string) *Parser {
	s := settings.Default()
	s.Edge.SecurityKey = value.Secret(key)
	return must(s)
}

// must returns a parser of valid settings.
func must(s settings.Settings) *Parser {
	p, err := New(s)
	if err != nil {
		panic(err)
	}
	return p
}

func TestGrammar(t *testing.T) {
	type spec = thumbnail.Spec
	for path, want := range map[string]spec{
		"Cat.jpg":                      {Enlarge: true},
		"330x/Cat.jpg":                 {Width: 330, Enlarge: true},
		"x200/Cat.jpg":                 {Height: 200, Enlarge: true},
		"0x0/Cat.jpg":                  {Enlarge: true},
		"-300x-200/Cat.jpg":            {Width: 300, Height: 200, FlipX: true, FlipY: true, Enlarge: true},
		"-x-/Cat.jpg":                  {FlipX: true, FlipY: true, Enlarge: true},
		"origx200/Cat.jpg":             {OriginalWidth: true, Height: 200, Enlarge: true},
		"300xorig/Cat.jpg":             {Width: 300, OriginalHeight: true, Enlarge: true},
		"fit-in/300x200/Cat.jpg":       {Width: 300, Height: 200, Fit: thumbnail.FitIn},
		"full-fit-in/300x200/Cat.jpg":  {Width: 300, Height: 200, Fit: thumbnail.FitFull, Enlarge: true},
		"adaptive-fit-in/3x2/Cat.jpg":  {Width: 3, Height: 2, Fit: thumbnail.FitIn, Adaptive: true},
		"10x20:30x40/300x200/Cat.jpg":  {Width: 300, Height: 200, Enlarge: true, Crop: &thumbnail.Rect{Left: 10, Top: 20, Right: 30, Bottom: 40}},
		"trim/300x200/Cat.jpg":         {Width: 300, Height: 200, Enlarge: true, Trim: &thumbnail.Trim{Corner: "top-left"}},
		"trim:bottom-right:50/Cat.jpg": {Enlarge: true, Trim: &thumbnail.Trim{Corner: "bottom-right", Tolerance: 50}},
		"trim:7/Cat.jpg":               {Enlarge: true, Trim: &thumbnail.Trim{Corner: "top-left", Tolerance: 7}},
		"3x2/left/top/smart/Cat.jpg":   {Width: 3, Height: 2, HAlign: "left", VAlign: "top", Smart: true, Enlarge: true},
		"3x2/center/middle/Cat.jpg":    {Width: 3, Height: 2, Enlarge: true},
		"3x2/filters:format(webp):page(2):lang(FR)/Cat.jpg": {Width: 3, Height: 2, Enlarge: true, Format: "webp", Page: 2, Lang: "fr"},
		"filters:page(0)/Cat.jpg":                           {Enlarge: true, FirstFrame: true},
		"filters:rotate(-90):rotate(360):flip(x):crop(1,2,3,4)/Cat.jpg": {Enlarge: true, Operations: []thumbnail.Operation{
			{Name: "rotate", Args: []float64{270}}, {Name: "flip", Word: "x"}, {Name: "crop", Args: []float64{1, 2, 3, 4}},
		}},
		"filters:conditional_sharpen(0.0,0.8,1.0,0.0,0.85)/Cat.jpg": {Enlarge: true, Sharpen: &thumbnail.Sharpen{Sigma: .8, Amount: 1, Ratio: .85}},
	} {
		want.Original, want.Type = thumbnail.Location{Path: "Cat.jpg"}, thumbnail.TypeJPEG
		want.HalfToEven = true
		want.Quality, want.Chroma, want.MaxAnimatedArea = 87, "4:2:0", 100_000_000
		got, err := parser("").Parse(Request{Path: "/unsafe/" + path, Local: true})
		if err != nil || !reflect.DeepEqual(got.Spec, want) {
			t.Errorf("%s:\n got %+v, %v\nwant %+v", path, got.Spec, err, want)
		}
	}
}

func TestImages(t *testing.T) {
	for path, want := range map[string]string{
		"330x/a/b/c.png":               "a/b/c.png",
		"330x/a%20b%2Fc.png":           "a b/c.png",
		"300x200x/c.png":               "300x200x/c.png", // not a size, so part of the name
		"330x/filters:/c.png":          "filters:/c.png",
		"3x2/Käse.png":                 "Käse.png",
		"smart/left/c.png":             "left/c.png", // the order of options is fixed
		"330x/%68ash/c.png":            "hash/c.png",
		"filters:quality(80)/c(1).png": "c(1).png",
	} {
		got, err := parser("").Parse(Request{Path: "/unsafe/" + path, Local: true})
		if err != nil || got.Spec.Original.Path != want {
			t.Errorf("%s: %q, %v", path, got.Spec.Original.Path, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	for path, want := range map[string]fault.Kind{
		"":                            fault.BadURL,
		"../etc/passwd":               fault.NoSuchURL,
		"330x/a/%2e%2e/b.jpg":         fault.NoSuchURL,
		"/etc/passwd":                 fault.NoSuchURL,
		"a//b.jpg":                    fault.NoSuchURL,
		"a%00.jpg":                    fault.NoSuchURL,
		"%ff.jpg":                     fault.BadURL,
		"99999x/a.jpg":                fault.BadURL,
		"8000x8000/a.jpg":             fault.BadURL,
		"99999999999999999999x/a.jpg": fault.BadURL,
		strings.Repeat("a", 300):      fault.NoSuchURL,
	} {
		if _, err := parser("").Parse(Request{Path: "/unsafe/" + path, Local: true}); !fault.Is(err, want) {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
	}
}

func TestFiltersThatAreSkippedAreNamed(t *testing.T) {
	got, err := parser("").Parse(Request{Path: "/unsafe/filters:blurry(3):quality(abc):rotate(45):quality(70):sp%09ace(1)/a.jpg", Local: true})
	want := []string{"blurry", "quality", "rotate", "sp?ace"}
	if err != nil || !reflect.DeepEqual(got.Skipped, want) || got.Spec.Quality != 70 {
		t.Errorf("skipped %q, quality %d, %v", got.Skipped, got.Spec.Quality, err)
	}
}

func TestUnsignedURLs(t *testing.T) {
	open := parser("key")
	open.settings.Edge.AllowUnsafe = true
	for name, c := range map[string]struct {
		parser *Parser
		local  bool
		ok     bool
	}{
		"no key, this machine": {parser(""), true, true},
		"no key, elsewhere":    {parser(""), false, false},
		"a key, this machine":  {parser("key"), true, false},
		"a key, elsewhere":     {parser("key"), false, false},
		"allowed to all":       {open, false, true},
	} {
		_, err := c.parser.Parse(Request{Path: "/unsafe/330x/a.jpg", Local: c.local})
		if ok := err == nil; ok != c.ok || !ok && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignatures(t *testing.T) {
	const key, path = "my-security-key", "300x200/my.server.com/some/path/to/image.jpg"
	const valid = "8ammJH8D-7tXy6kU3lTvoXlhu4o="
	p := parser(key)
	for name, c := range map[string]struct {
		path string
		want fault.Kind
	}{
		"documented":         {valid + "/" + path, ""},
		"quoted":             {strings.ReplaceAll(valid, "=", "%3D") + "/" + path, ""},
		"another path":       {valid + "/3000x200/my.server.com/some/path/to/image.jpg", fault.Forbidden},
		"another encoding":   {valid + "/" + strings.ReplaceAll(path, "server", "%73erver"), fault.Forbidden},
		"signed twice":       {valid + "/" + valid + "/" + path, fault.Forbidden},
		"signed in the path": {valid + "/300x200/" + valid + "/my.server.com/some/path/to/image.jpg", fault.Forbidden},
		"wrong":              {strings.Repeat("A", 27) + "=/" + path, fault.Forbidden},
	} {
		if !p.Mine("/" + c.path) {
			t.Errorf("%s: taken for another grammar", name)
		}
		_, err := p.Parse(Request{Path: "/" + c.path, Local: true})
		if c.want == "" && err != nil || c.want != "" && !fault.Is(err, c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := parser("").Parse(Request{Path: "/" + signature.Key{}.Sign(path) + "/" + path, Local: true}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("a signature with an empty key: %v", err)
	}
}

// Each of the site's keys signs, in its own way. Paths of other keys are refused.
func TestSeveralKeys(t *testing.T) {
	s := settings.Default()
	s.Edge.SecurityKey = "old"
	s.Edge.SecurityKeys = []settings.SecurityKey{{Name: "new", Key: "n", Algorithm: "sha256", Truncate: 40}, {Name: "whole", Key: "w", Algorithm: "sha512"}}
	p := must(s)
	const path = "330x/a.jpg"
	for name, key := range map[string]signature.Key{
		"new": {Secret: "n", Algorithm: signature.SHA256, Length: 40}, "whole": {Secret: "w", Algorithm: signature.SHA512}, "security_key": {Secret: "old"},
		"": {Secret: "n"},
	} {
		signed := "/" + key.Sign(path) + "/" + path
		got, err := p.Parse(Request{Path: signed})
		if !p.Mine(signed) || got.SignedBy != name || (err == nil) != (name != "") {
			t.Errorf("%s: signed by %q, %v", signed, got.SignedBy, err)
		}
	}
	if p.Mine("/" + strings.Repeat("a", 39) + "/a.jpg") {
		t.Error("any text is taken for a signature")
	}
}

func TestExpiry(t *testing.T) {
	plain, err := parser("").Parse(Request{Path: "/unsafe/330x/a.gif", Local: true})
	if err != nil || !plain.Expires.IsZero() {
		t.Fatal(plain.Expires, err)
	}
	got, err := parser("").Parse(Request{Path: "/unsafe/330x/filters:expire(1796000000123)/a.gif", Local: true})
	if err != nil || got.Expires.UnixMilli() != 1796000000123 || got.Key != plain.Key {
		t.Errorf("%v %v %v", got.Expires, got.Key, err)
	}
	if _, err := parser("").Parse(Request{Path: "/unsafe/330x/filters:expire(soon)/a.gif", Local: true}); !fault.Is(err, fault.BadURL) {
		t.Errorf("an end that nobody can read: %v", err)
	}
}

func TestOneKeyForOneMeaning(t *testing.T) {
	key := func(path string) string {
		got, err := parser("").Parse(Request{Path: "/unsafe/" + path, Local: true})
		if err != nil {
			t.Fatal(err)
		}
		return got.Key.Path
	}
	same := []string{"330x/a.jpg", "330x0/a.jpg", "330x/center/middle/a.jpg", "330x/filters:quality(87)/a.jpg", "330x/filters:nonsense(1)/a.jpg", "330x/%61.jpg"}
	for _, path := range same {
		if key(path) != key(same[0]) {
			t.Errorf("%s has another key than %s", path, same[0])
		}
	}
	for _, path := range []string{"331x/a.jpg", "330x/filters:quality(86)/a.jpg", "fit-in/330x/a.jpg", "330x/b.jpg"} {
		if key(path) == key(same[0]) {
			t.Errorf("%s has the key of %s", path, same[0])
		}
	}
}

func TestMediaWikisPrivateContainersStayPrivate(t *testing.T) {
	p := parser("")
	p.settings.Store.PrivateContainers = []string{"wikipedia-office-local-public"}
	for path, want := range map[string]bool{
		"wikipedia-office-local-public/a/ab/A.png":     true,
		"wikipedia-office-local-public.ab/a/ab/A.png":  true,
		"wikipedia-en-local-temp/a/ab/A.png":           true,
		"wikipedia-office-local-transcoded/a/ab/A.jpg": true,
		"wikipedia-office-local-thumb/a/ab/A.jpg":      true,
		"wikipedia-office-timeline-render/ab.png":      true,
		"wikipedia-officer-local-public/a/ab/A.png":    false,
		"wikipedia-en-local-public/a/ab/A.png":         false,
	} {
		got, err := p.Parse(Request{Path: "/unsafe/330x/" + path, Local: true})
		if err != nil || got.Private != want {
			t.Errorf("%s: private is %v, %v", path, got.Private, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/unsafe/trim:bottom-right:50/1x2:3x4/adaptive-full-fit-in/-300x-orig/left/top/smart/filters:quality(80):rotate(90)/a/b.jpg")
	f.Add("/8ammJH8D-7tXy6kU3lTvoXlhu4o=/300x200/my.server.com/some/path/to/image.jpg")
	f.Add("/unsafe/filters:conditional_sharpen(.,.,.,.,.)/x")
	f.Fuzz(func(t *testing.T, path string) {
		got, err := parser("").Parse(Request{Path: path, Local: true})
		if err == nil && (!objectstore.Valid(got.Spec.Original) || !objectstore.Valid(got.Key)) {
			t.Errorf("%q gives %+v", path, got)
		}
		if err != nil && fault.Of(err).Kind == fault.Internal {
			t.Errorf("%q: %v", path, err)
		}
	})
}

func TestHintsChooseWhatTheURLLeavesOpen(t *testing.T) {
	s := settings.Default()
	s.Edge.ClientHints, s.Edge.SaveDataQuality, s.Edge.AllowUnsafe = true, 40, true
	hints := target.Hints{Accept: "image/webp,*/*", DPR: 2, SaveData: true}
	for path, want := range map[string]struct {
		width, quality int
		prefers, vary  string
	}{
		"100x/a.jpg":                                             {100, 40, "", "Save-Data"},
		"100x/filters:dpr(auto)/a.jpg":                           {200, 40, "", "Sec-CH-DPR,DPR,Save-Data"},
		"100x/filters:dpr(1.5)/a.jpg":                            {150, 40, "", "Save-Data"},
		"100x/filters:dpr(2):dpr(1)/a":                           {100, 40, "", "Save-Data"},
		"100x/filters:quality(90)/a.jpg":                         {100, 90, "", ""},
		"100x/filters:format(auto)/a.jpg":                        {100, 40, "webp", "Accept,Save-Data"},
		"100x/filters:format(auto):format(png):quality(9)/a.jpg": {100, 9, "", ""},
		"100x/filters:dpr(0):quality(9)/a.gif":                   {100, 9, "", ""},
	} {
		got, err := must(s).Parse(Request{Path: "/unsafe/" + path, Hints: hints})
		prefers := ""
		if len(got.Spec.Prefer) > 0 {
			prefers = string(got.Spec.Prefer[0])
		}
		if err != nil || got.Spec.Width != want.width || got.Spec.Quality != want.quality || prefers != want.prefers || strings.Join(got.Vary, ",") != want.vary {
			t.Errorf("%s: %d %d %q %v, %v", path, got.Spec.Width, got.Spec.Quality, prefers, got.Vary, err)
		}
		if plain, err := parser("").Parse(Request{Path: "/unsafe/" + path, Local: true}); err != nil || plain.Spec.Quality == 40 {
			t.Errorf("%s without hints: %v", path, err)
		}
	}
	if _, err := must(s).Parse(Request{Path: "/unsafe/5000x/filters:dpr(2)/a.jpg"}); !fault.Is(err, fault.BadURL) {
		t.Errorf("a density passes the largest size: %v", err)
	}
}

// A URL of another site is refused by its scheme, without the folder of the site's own originals.
func TestURLsWithoutALoader(t *testing.T) {
	s := settings.Default()
	s.Edge.AllowUnsafe, s.Store.Originals.Prefix = true, "st/"
	_, err := must(s).Parse(Request{Path: "/unsafe/330x/https://example.com/a.jpg"})
	if !fault.Is(err, fault.NoSuchURL) || !strings.Contains(fault.Of(err).Message, "URLs of https are not") {
		t.Error(err)
	}
}
