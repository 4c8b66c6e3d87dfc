package imgproxy

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/edge/internal/thumbor"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/settings/value"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func site(change func(*settings.Settings)) (settings.Settings, error) {
	s := settings.Default()
	s.Imgproxy.Enabled = true
	s.Store.Loaders = []storeconfig.Loader{
		{For: "http://", Bucket: storeconfig.Bucket{Kind: "http", Hosts: []string{"*"}}}, {For: "https://", Bucket: storeconfig.Bucket{Kind: "http", Hosts: []string{"*"}}},
	}
	if change != nil {
		change(&s)
	}
	return s, nil
}

// parser returns a parser of a site, beside its Thumbor parser.
func parser(change func(*settings.Settings)) (*Parser, *thumbor.Parser) {
	s, _ := site(change)
	store, err := thumbor.New(s)
	if err != nil {
		panic(err)
	}
	p, err := New(s, store)
	if err != nil {
		panic(err)
	}
	return p, store
}

func hexed(text string) value.Secret { return value.Secret(hex.EncodeToString([]byte(text))) }

// The signatures are from imgproxy's documentation, and from the tests of its package security.
func TestPublishedSignatures(t *testing.T) {
	for _, c := range []struct {
		key, salt, path, want string
		size                  int
	}{
		{"secret", "hello", "rs:fill:300:400:0/g:sm/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png", "oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8", 32},
		{"test-key", "test-salt", "asd", "oWaL7QoW5TsgbuiS9-5-DI8S3Ibbo1gdB2SteJh3a20", 32},
		{"test-key", "test-salt", "asd", "oWaL7QoW5Ts", 8},
		{"test-key2", "test-salt2", "asd", "jYz1UZ7j1BCdSzH3pZhaYf0iuz0vusoOTdqJsUT6WXI", 32},
	} {
		if got := (key{"", []byte(c.key), []byte(c.salt)}).sign(c.path, c.size); got != c.want {
			t.Errorf("%s: %s, want %s", c.path, got, c.want)
		}
	}
}

func TestSignaturesAreChecked(t *testing.T) {
	p, _ := parser(func(s *settings.Settings) {
		s.Imgproxy.Keys = []settings.ImgproxyKey{{Name: "new", Key: hexed("k2"), Salt: hexed("s2")}, {Name: "old", Key: hexed("secret"), Salt: hexed("hello")}}
	})
	const rest = "rs:fill:300:400:0/g:sm/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png"
	const old = "/oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8/"
	for path, signer := range map[string]string{
		old + rest: "old", "/" + p.keys[0].sign(rest, 32) + "/" + rest: "new",
		old + rest + "x": "", "/insecure/" + rest: "", "/unsafe/" + rest: "", "/_/" + rest: "",
	} {
		got, err := p.Parse(Request{Path: path, Local: true})
		if !p.Mine(path) || got.SignedBy != signer || (err == nil) != (signer != "") || err != nil && !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %q, %v", path, got.SignedBy, err)
		}
		if _, err := p.Parse(Request{Path: path, Trusted: true}); err != nil && signer != "" {
			t.Errorf("an operator asks: %v", err)
		}
	}
}

// The edge reads each path that it signs. It signs none where only Thumbor's URLs have a key.
func TestSignedPathsAreRead(t *testing.T) {
	const rest = "rs:fit:330:0/plain/local:///a.jpg"
	for name, c := range map[string]struct {
		set   func(*settings.Settings)
		signs bool
	}{
		"a key": {func(s *settings.Settings) {
			s.Imgproxy.Keys = []settings.ImgproxyKey{{Name: "a", Key: hexed("k"), Salt: hexed("s")}}
		}, true},
		"no key at all":             {func(*settings.Settings) {}, true},
		"Thumbor's key":             {func(s *settings.Settings) { s.Edge.SecurityKey = "key" }, false},
		"Thumbor's key, and unsafe": {func(s *settings.Settings) { s.Edge.SecurityKey, s.Edge.AllowUnsafe = "key", true }, true},
	} {
		p, _ := parser(c.set)
		path, err := p.Sign(rest, true)
		if (err == nil) != c.signs {
			t.Errorf("%s: %q, %v", name, path, err)
		}
		if _, err := p.Parse(Request{Path: path, Local: true}); c.signs && err != nil {
			t.Errorf("%s: %q is refused: %v", name, path, err)
		}
	}
}

// Without keys, the words of the documentation stand in place of signatures, as Thumbor's unsafe does.
func TestUnsigned(t *testing.T) {
	p, _ := parser(nil)
	for path, local := range map[string]bool{"/insecure/rs:fit:300/plain/a.jpg": true, "/_/plain/a.jpg": true, "/unsafe/plain/a.jpg": true} {
		if _, err := p.Parse(Request{Path: path, Local: local}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := p.Parse(Request{Path: path}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s from elsewhere: %v", path, err)
		}
	}
}

func TestWhatIsMine(t *testing.T) {
	p, _ := parser(nil)
	prefixed, _ := parser(func(s *settings.Settings) { s.Imgproxy.Prefix = "/img" })
	for path, mine := range map[string]bool{
		"/insecure/rs:fit/plain/a": true, "/unsafe/rs:fit:300:200/plain/a.jpg": true, "/unsafe/rs%3Afit:300/plain/a.jpg": true, "/unsafe/plain/a.jpg": true, "/unsafe/enc/abc": true,
		"/unsafe/330x/a.jpg": false, "/unsafe/trim:50/a.jpg": false, "/unsafe/preset:card/a.jpg": false, "/unsafe/filters:blur(3)/a.jpg": false, "/unsafe/10x10:20x20/a.jpg": false,
		"/wikipedia/commons/thumb/a/ab/A.jpg/330px-A.jpg": false, "/8ammJH8D-7tXy6kU3lTvoXlhu4o=/300x200/a.jpg": false, "/oKfUtW34Dvo2BGQehJFR4Nr0_rIjOtdtzJ3QFsUcXH8/x/a": false,
		"/img/plain/a.jpg": false,
	} {
		if p.Mine(path) != mine {
			t.Errorf("%s: mine is %v", path, !mine)
		}
		if prefixed.Mine("/img"+path) != true || prefixed.Mine(path) != strings.HasPrefix(path, "/img/") {
			t.Errorf("%s with a prefix", path)
		}
	}
	if got, err := prefixed.Parse(Request{Path: "/img/insecure/w:100/plain/a.jpg", Local: true}); err != nil || got.Spec.Original.Path != "a.jpg" {
		t.Errorf("%v %v", got.Spec.Original, err)
	}
}

// The encrypted source and its key are from imgproxy's documentation.
func TestSources(t *testing.T) {
	p, _ := parser(func(s *settings.Settings) {
		s.Imgproxy.EncryptionKey = "1eb5b0e971ad7f45324c1bb15c947cb207c43152fa5c6c7f35c4f36e0c18e0f1"
	})
	const curiosity = "http://example.com/images/curiosity.jpg"
	for rest, want := range map[string]string{
		"plain/" + curiosity: curiosity,
		"plain/http:/example.com/images/curiosity.jpg@png":                                                                curiosity + " png",
		"rs:fit:300/plain/http%3A%2F%2Fexample.com%2Fa%20%C3%A4.jpg":                                                      "http://example.com/a%20%C3%A4.jpg",
		"w:3/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn":                                                     curiosity,
		"aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png":                                                     curiosity + " png",
		"rs:fit:300:300/enc/p5VjorNdhs7mRRw8gA9TWoRlGci3l1kuzqN43UQlRaRIQ0qtBKW3qFABIsx-ZRz_cVc8iVTYbhsNsxNBL1BHaQ":       curiosity,
		"rs:fit:300:300/enc/p5VjorNdhs7mRRw8gA9TWoRl/Gci3l1kuzqN43UQlRaRIQ0qtBKW3qFABIsx-ZRz_cVc8iVTYbhsNsxNBL1BHaQ.webp": curiosity + " webp",
		"plain/local:///a/b.jpg":        "a/b.jpg",
		"plain/local:/a/b.jpg":          "a/b.jpg",
		"plain/s3://bucket/a%2520b.jpg": "s3/bucket/a%20b.jpg",
		"plain/a/b%40c.jpg@webp":        "a/b@c.jpg webp",
	} {
		got, err := p.Parse(Request{Path: "/insecure/" + rest, Local: true})
		name := got.Spec.Original.Path
		if got.Spec.Format != "" {
			name += " " + string(got.Spec.Format)
		}
		if err != nil || name != want {
			t.Errorf("%s: %q, %v; want %q", rest, name, err, want)
		}
	}
	for _, rest := range []string{
		"", "w:100", "plain/", "plain/a.jpg@png@webp", "plain/%ff", "a.b.c", "!!!", "enc/", "enc/abcd", "plain/a.jpg@exe", "plain/a.jpg@ico",
		"enc/p5VjorNdhs7mRRw8gA9TWoRlGci3l1kuzqN43UQlRaRIQ0qtBKW3qFABIsx-ZRz_cVc8iVTYbhsNsxNBL1BHaA",
	} {
		if _, err := p.Parse(Request{Path: "/insecure/" + rest, Local: true}); !fault.Is(err, fault.BadURL) {
			t.Errorf("%s: %v", rest, err)
		}
	}
	based, _ := parser(func(s *settings.Settings) { s.Imgproxy.BaseURL = "https://media.example/" })
	if got, err := based.Parse(Request{Path: "/insecure/plain/a.jpg", Local: true}); err != nil || got.Spec.Original.Path != "https://media.example/a.jpg" {
		t.Errorf("%v %v", got.Spec.Original, err)
	}
}

// A URL of imgproxy's and one of Thumbor's for the same thumbnail have one key, so that both languages share the store.
func TestSharedThumbnails(t *testing.T) {
	p, store := parser(nil)
	for rest, same := range map[string]string{
		"rs:fit:300:200/plain/a.jpg":                    "fit-in/300x200/a.jpg",
		"s:300:200/q:80/f:webp/plain/a.jpg":             "fit-in/300x200/filters:quality(80):format(webp)/a.jpg",
		"pr:small/plain/a.png":                          "fit-in/300x200/a.png",
		"rs:fit:300:200/rot:90/plain/a.jpg":             "fit-in/200x300/filters:rotate(90)/a.jpg",
		"rs:fit:300:200/bg:ff0000/mb:1000/cb:1/plain/a": "fit-in/300x200/filters:background_color(f00):max_bytes(1000)/a",
	} {
		p.presets["small"] = []call{{"rs", []string{"fit", "300", "200"}}}
		got, err := p.Parse(Request{Path: "/insecure/" + rest, Local: true})
		want, err2 := store.Parse(thumbor.Request{Path: "/unsafe/" + same, Local: true})
		if err != nil || err2 != nil || got.Key != want.Key {
			t.Errorf("%s: %s, %v\nwant %s, %v", rest, got.Spec.Canonical(), err, want.Spec.Canonical(), err2)
		}
	}
}

func TestOptions(t *testing.T) {
	p, _ := parser(func(s *settings.Settings) { s.Imgproxy.Watermark = "logo.png" })
	type spec = thumbnail.Spec
	type part = thumbnail.Resize
	step := func(all ...thumbnail.Operation) []thumbnail.Operation { return all }
	logo := &thumbnail.Location{Path: "logo.png"}
	for options, want := range map[string]spec{
		"rs:fill:300:200:1":             {Width: 300, Height: 200, Enlarge: true, Resize: &part{Mode: "fill"}},
		"rs:fill-down:300:200/g:nowe:5": {Width: 300, Height: 200, Resize: &part{Mode: "fill-down", Anchor: thumbnail.Anchor{Across: -1, Down: -1, X: 5}}},
		"rt:force/w:10/h:20":            {Width: 10, Height: 20, Resize: &part{Mode: "force"}},
		"rs:auto:10:20/g:sm":            {Width: 10, Height: 20, Smart: true, Resize: &part{Mode: "auto"}},
		"w:150/dpr:3.0":                 {Width: 150, Resize: &part{Mode: "fit", Density: 3}},
		"dpr:1":                         {Fit: thumbnail.FitIn},
		"z:2/mw:10/mh:20":               {Resize: &part{Mode: "fit", ZoomX: 2, ZoomY: 2, MinWidth: 10, MinHeight: 20}},
		"z:2:.5":                        {Resize: &part{Mode: "fit", ZoomX: 2, ZoomY: .5}},
		"c:100:0.5:soea:1:2":            {Resize: &part{Mode: "fit", Crop: thumbnail.Part{Width: 100, Height: .5, Anchor: thumbnail.Anchor{Across: 1, Down: 1, X: 1, Y: 2}}}},
		"c:100/g:no":                    {Resize: &part{Mode: "fit", Anchor: thumbnail.Anchor{Down: -1}, Crop: thumbnail.Part{Width: 100, Anchor: thumbnail.Anchor{Down: -1}}}},
		"g:fp:0.5:0.75/rs:fill:9:9":     {Width: 9, Height: 9, Resize: &part{Mode: "fill", Anchor: thumbnail.Anchor{Point: true, X: .5, Y: .75}}},
		"s:9:9:0:1:so:10:20": {Width: 9, Height: 9, Resize: &part{Mode: "fit", Extend: "size", ExtendAnchor: thumbnail.Anchor{Down: 1, X: 10, Y: 20}},
			Operations: step(thumbnail.Operation{Name: "extend", Color: "00000000"})},
		"pd:1:2::4": {Resize: &part{Mode: "fit", Padding: thumbnail.Padding{Top: 1, Right: 2, Bottom: 1, Left: 4}},
			Operations: step(thumbnail.Operation{Name: "extend", Color: "00000000"})},
		"t:10":        {Fit: thumbnail.FitIn, Trim: &thumbnail.Trim{Corner: "top-left", Tolerance: 10}},
		"bl:2/sh:0.5": {Fit: thumbnail.FitIn, Operations: step(thumbnail.Operation{Name: "blur", Args: []float64{3, 2}}, thumbnail.Operation{Name: "sharpen", Args: []float64{1, .5}, On: true})},
		"pix:8/bl:0":  {Fit: thumbnail.FitIn, Operations: step(thumbnail.Operation{Name: "pixelate", Args: []float64{8}})},
		"fl:1:1/bg:1:2:255": {Fit: thumbnail.FitIn, Operations: step(thumbnail.Operation{Name: "background_color", Color: "0102ffff"},
			thumbnail.Operation{Name: "flip", Word: "y"}, thumbnail.Operation{Name: "flip", Word: "x"})},
		"bg:fff/bg:":                 {Fit: thumbnail.FitIn},
		"wm:0.5:soea:10:20:0.6":      {Fit: thumbnail.FitIn, Operations: step(thumbnail.Operation{Name: "watermark", Word: "-10", Word2: "-20", Args: []float64{50, 60, 60}, Picture: logo})},
		"wm:1:re":                    {Fit: thumbnail.FitIn, Operations: step(thumbnail.Operation{Name: "watermark", Word: "repeat", Word2: "repeat", Args: []float64{0, 0, 0}, Picture: logo})},
		"wm:1:no::0.1":               {Fit: thumbnail.FitIn, Operations: step(thumbnail.Operation{Name: "watermark", Word: "center", Word2: "10p", Args: []float64{0, 0, 0}, Picture: logo})},
		"sm:0/kcr:0/scp:1/ar:0":      {Fit: thumbnail.FitIn, KeepEXIF: true, StripICC: true, AsStored: true},
		"sm:1/kcr:0":                 {Fit: thumbnail.FitIn, StripEXIF: true},
		"fq:webp:50:avif:40/f:webp":  {Fit: thumbnail.FitIn, Format: "webp", Qualities: thumbnail.Qualities{"webp": 50, "avif": 40}},
		"pg:2/eth:0/pix:1/exp:0/w:1": {Width: 1, Page: 3},
	} {
		want.Original, want.Type, want.Chroma = thumbnail.Location{Path: "a.jpg"}, thumbnail.TypeJPEG, "4:2:0"
		want.Quality, want.MaxAnimatedArea, want.HalfToEven = 87, 100_000_000, want.Fit == thumbnail.FitIn
		got, err := p.Parse(Request{Path: "/insecure/" + options + "/plain/a.jpg", Local: true})
		if err != nil || got.Spec.Canonical() != want.Canonical() || got.Spec.Validate() != nil {
			t.Errorf("%s:\n got %s, %v\nwant %s", options, got.Spec.Canonical(), err, want.Canonical())
		}
	}
}

// A key of another language closes unsigned URLs to the machine itself, too. A signature holds after a proxy merged slashes.
func TestKeysCloseTheSite(t *testing.T) {
	closed, _ := parser(func(s *settings.Settings) { s.Edge.SecurityKey = "a key of Thumbor's URLs" })
	if _, err := closed.Parse(Request{Path: "/insecure/w:100/plain/a.jpg", Local: true}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("an unsigned URL: %v", err)
	}
	signed, _ := parser(func(s *settings.Settings) {
		s.Imgproxy.Keys = []settings.ImgproxyKey{{Name: "a", Key: hexed("key"), Salt: hexed("salt")}}
	})
	rest := "w:100/plain/https://images.example/a.jpg"
	signature := signed.keys[0].sign(rest, 32)
	for _, path := range []string{rest, strings.Replace(rest, "://", ":/", 1)} {
		if _, err := signed.Parse(Request{Path: "/" + signature + "/" + path}); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := signed.Parse(Request{Path: "/" + signature + "/w:200/plain/https:/images.example/a.jpg"}); !fault.Is(err, fault.Forbidden) {
		t.Errorf("another path: %v", err)
	}
}

func TestOptionsThatCannotBeRendered(t *testing.T) {
	p, _ := parser(nil)
	for options, says := range map[string]string{
		"monochrome:1": "monochrome", "g:obj:face": "obj", "rs:fit:abc": `"abc"`, "w:-1": `"-1"`, "rt:crop": "fill-down", "g:re": "gravity",
		"c:100:200:sm": "smart", "ex:1:sm": "canvas", "t:10:ff0000": "corner", "rot:45": "90", "bg:1:2:256": "256", "bg:xyz": "colour", "wm:0.5": "no watermark", "wm:2": "0…1",
		"q:101": "0…100", "fq:png:80": "webp", "fq:webp": "missing", "f:heic": "heic", "dpr:0": "above 0", "dpr:NaN": "above 0", "c:Inf": "0 or more", "g:fp:2:2": "offset",
		"exp:soon": "1970", "pr:none": "unknown", "w:1:2": "takes up to 1", "msr:100": "msr", "w:9000": "too large", "mw:9000": "too large", "mh:5000/dpr:2": "too large", "w:5000/dpr:2": "too large", "skp:exe": "exe", "eth:1": "eth", "g:no:1e9": "offset",
	} {
		_, err := p.Parse(Request{Path: "/insecure/" + options + "/plain/a.jpg", Local: true})
		if !fault.Is(err, fault.BadURL) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", options, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	p, _ := parser(nil)
	get := func(rest string) target.Target {
		got, err := p.Parse(Request{Path: "/insecure/" + rest, Local: true})
		if err != nil {
			t.Errorf("%s: %v", rest, err)
		}
		return got
	}
	name := base64.RawURLEncoding.EncodeToString([]byte("Käse"))
	if got := get("fn:" + name + ":1/att:1/f:png/plain/a.jpg").Disposition; got != "attachment;filename*=UTF-8''K%C3%A4se.png" {
		t.Error(got)
	}
	if got := get("exp:1796000000/plain/a.jpg").Expires.Unix(); got != 1796000000 {
		t.Error(got)
	}
	for rest, stored := range map[string]bool{
		"raw:1/plain/a.jpg@png": true, "skp:jpg:svg/plain/a.jpg": true, "skp:jpg/plain/a.jpg@jpg": true, "skp:jpg/plain/a.jpg@png": false, "skp:jpg/plain/a.png": false,
	} {
		if got := get(rest); (got.Stored != nil) != stored {
			t.Errorf("%s: %v", rest, got.Stored)
		}
	}
	for path, formats := range map[string]int{"a.jpg": 0, "a.svg": 0, "a.webp": 2, "a.tiff": 0, "a.webp@webp": 0} {
		if got := get("w:9/plain/" + path).Spec.Prefer; len(got) != formats {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// An edge that is open to everybody is no proxy for the files of other sites.
func TestOthersOriginalsAsTheyAreNeedASignature(t *testing.T) {
	p, _ := parser(func(s *settings.Settings) {
		s.Edge.AllowUnsafe = true
		s.Imgproxy.Keys = []settings.ImgproxyKey{{Name: "a", Key: hexed("k"), Salt: hexed("s")}}
	})
	for _, options := range []string{"raw:1", "skp:jpg"} {
		rest := options + "/plain/https://site.example/a.jpg"
		if _, err := p.Parse(Request{Path: "/insecure/" + rest}); !fault.Is(err, fault.Forbidden) {
			t.Errorf("%s: %v", rest, err)
		}
		if got, err := p.Parse(Request{Path: "/" + p.keys[0].sign(rest, 32) + "/" + rest}); err != nil || got.Stored == nil {
			t.Errorf("%s, signed: %v", rest, err)
		}
		if got, err := p.Parse(Request{Path: "/insecure/" + options + "/plain/a.jpg"}); err != nil || got.Stored == nil {
			t.Errorf("%s of an own original: %v", options, err)
		}
	}
}

func TestPresets(t *testing.T) {
	change := func(s *settings.Settings) {
		s.Imgproxy.Presets = map[string]string{"default": "q:50", "card": "rs:fill:300:200/pr:sharp", "sharp": "sh:0.7/pr:card", "my_hero": "w:900"}
	}
	p, _ := parser(change)
	got, err := p.Parse(Request{Path: "/insecure/pr:card:my-hero/h:7/plain/a.jpg", Local: true})
	if s := got.Spec; err != nil || s.Quality != 50 || s.Width != 900 || s.Height != 7 || len(s.Operations) != 1 {
		t.Errorf("%s %v", s.Canonical(), err)
	}
	only, _ := parser(func(s *settings.Settings) { change(s); s.Imgproxy.OnlyPresets = true })
	if got, err := only.Parse(Request{Path: "/insecure/card:sharp/plain/a.jpg@webp", Local: true}); err != nil || got.Spec.Width != 300 || got.Spec.Format != "webp" {
		t.Errorf("%v %v", got.Spec, err)
	}
	for path, width := range map[string]int{"card:sharp/plain/a.jpg@webp": 300, "w:100/plain/a.jpg": 100} { // as in a purge
		if got, err := only.Parse(Request{Path: "/insecure/" + path, Trusted: true}); err != nil || got.Spec.Width != width {
			t.Errorf("%s: %v %v", path, got.Spec, err)
		}
	}
	if _, err := only.Parse(Request{Path: "/insecure/w:100/plain/a.jpg", Local: true}); !fault.Is(err, fault.BadURL) || !strings.Contains(err.Error(), "card, default") {
		t.Error(err)
	}
	for text, says := range map[string]string{"w:100/a.jpg": "a.jpg", "w:abc": "abc", "monochrome:1": "monochrome", "pr:none": "none"} {
		s, _ := site(func(s *settings.Settings) { s.Imgproxy.Presets = map[string]string{"x": text} })
		if _, err := New(s, nil); err == nil || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "imgproxy.presets.x") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestKeysThatCannotBeRead(t *testing.T) {
	for _, change := range []func(*settings.Settings){
		func(s *settings.Settings) {
			s.Imgproxy.Keys = []settings.ImgproxyKey{{Name: "a", Key: "zzsecret", Salt: "00"}}
		},
		func(s *settings.Settings) { s.Imgproxy.EncryptionKey = "00" },
	} {
		s, _ := site(change)
		if _, err := New(s, nil); err == nil || strings.Contains(err.Error(), "zzsecret") {
			t.Error(err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/insecure/rs:fill:300:400:0/g:sm/aHR0cDovL2V4YW1w/bGUuY29tL2ltYWdl/cy9jdXJpb3NpdHku/anBn.png")
	f.Add("/unsafe/c:0.5:100:fp:0.1:1/pd:1:2:3:4/rot:270/fl:1:1/wm:0.5:soea:10:20:0.6/dpr:2/z:1:2/mw:3/plain/local:///a@webp")
	f.Add("/_/enc/p5VjorNdhs7mRRw8gA9TWoRlGci3l1kuzqN43UQlRaRIQ0qtBKW3qFABIsx-ZRz_cVc8iVTYbhsNsxNBL1BHaQ")
	p, _ := parser(func(s *settings.Settings) {
		s.Imgproxy.Watermark, s.Imgproxy.EncryptionKey = "w.png", "1eb5b0e971ad7f45324c1bb15c947cb207c43152fa5c6c7f35c4f36e0c18e0f1"
	})
	f.Fuzz(func(t *testing.T, path string) {
		p.Mine(path)
		got, err := p.Parse(Request{Path: path, Local: true})
		if err == nil && (!got.Spec.Original.IsURL() && !objectstore.Valid(got.Spec.Original) || !objectstore.Valid(got.Key) || got.Spec.Validate() != nil) {
			t.Errorf("%q gives %+v: %v", path, got, got.Spec.Validate())
		}
		if err != nil && fault.Of(err).Kind == fault.Internal {
			t.Errorf("%q: %v", path, err)
		}
	})
}
