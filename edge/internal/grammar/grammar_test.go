package grammar

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/edge/internal/signature"
	"github.com/thumbmill/thumbmill/shared/bucket"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func reader(t *testing.T, change func(*settings.Settings)) *Reader {
	t.Helper()
	s := settings.Default()
	change(&s)
	g, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func request(path, accept string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	return r
}

// A remembered answer is the answer that Read would parse again: it depends on the client's rights
// and on Accept. Refusals are not remembered.
func TestWhatIsRememberedIsTheSame(t *testing.T) {
	g := reader(t, func(s *settings.Settings) { s.Edge.SecurityKey, s.Thumbor.AutoFormats = "key", []string{"webp"} })
	signed := "/" + signature.Key{Secret: "key"}.Sign("330x/a.jpg") + "/330x/a.jpg"
	for range 3 {
		for _, k := range []struct {
			request *http.Request
			rights  Rights
			ok      bool
			formats int
		}{
			{request("/unsafe/330x/a.jpg", ""), Rights{}, false, 0},
			{request("/unsafe/330x/a.jpg", ""), Rights{Local: true}, false, 0}, // a security key is set
			{request("/unsafe/330x/a.jpg", ""), Rights{Trusted: true}, true, 0},
			{request(signed, ""), Rights{}, true, 0},
			{request(signed, "image/webp"), Rights{}, true, 1},
			{request(signed+"x", "image/webp"), Rights{}, false, 0},
			{request("/wikipedia/commons/thumb/a/ab/A.jpg/330px-A.jpg", "image/webp"), Rights{}, true, 0},
		} {
			got, _, err := g.Read(k.request, k.rights)
			if (err == nil) != k.ok || err == nil && len(got.Spec.Prefer) != k.formats {
				t.Errorf("%s for %q: %v, %v", k.request.URL, k.request.Header.Get("Accept"), got.Spec.Prefer, err)
			}
		}
	}
}

func TestPlacesOfAnOriginal(t *testing.T) {
	g := reader(t, func(s *settings.Settings) {
		s.Store.Originals.Prefix, s.Store.Thumbnails.Prefix = "o/", "t/"
		s.Store.Loaders = []storeconfig.Loader{{For: "https://", Bucket: storeconfig.Bucket{Kind: "http", Hosts: []string{"*"}}}}
	})
	p := g.Places("wikipedia-en-local-public.ab/o/a/ab/K\u00e4se.jpg")
	if len(p.Folders) != 2 || p.Folders[1].Begin.Container != "wikipedia-en-local-thumb.ab" || p.Folders[1].Begin.Path != "t/a/ab/K\u00e4se.jpg/" ||
		p.Folders[1].URLs("t/a/ab/K\u00e4se.jpg/330px-K\u00e4se.jpg")[0].Path != "/wikipedia/en/thumb/a/ab/K%C3%A4se.jpg/330px-K%C3%A4se.jpg" ||
		p.URLs[0].Path != "/wikipedia/en/a/ab/K%C3%A4se.jpg" || !slices.Contains(p.XKeys, "File:K\u00e4se.jpg") {
		t.Errorf("%+v", p)
	}
	for _, name := range []string{"wikipedia-en-local-temp.57/o/5/57/20161115090130!fYJSjm.pdf", "a.jpg", "https://site.example/b.jpg?c"} {
		p := g.Places(name)
		r := request("/unsafe/330x/"+name, "")
		r.RequestURI = "/unsafe/330x/" + (&http.Request{URL: r.URL}).URL.Path[len("/unsafe/330x/"):]
		if name == "https://site.example/b.jpg?c" {
			r.RequestURI = "/unsafe/330x/https%3A%2F%2Fsite.example%2Fb.jpg%3Fc"
		}
		got, _, err := g.Read(r, Rights{Trusted: true})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if at := p.Folders[0].Begin.Path; len(got.Key.Path) <= len(at) || got.Key.Path[:len(at)] != at {
			t.Errorf("thumbnail of %s is stored at %s, outside the folder %s", name, got.Key.Path, at)
		}
	}
}

// Kin reads the size back from a thumbnail's key, in both grammars.
func TestKin(t *testing.T) {
	g := reader(t, func(*settings.Settings) {})
	for path, want := range map[string][2]int{
		"/unsafe/330x200/a.jpg": {330, 200}, "/unsafe/0x200/smart/a.jpg": {0, 200}, "/unsafe/-330x/filters:blur(3)/a.jpg": {330, 0},
		"/wikipedia/commons/thumb/a/ab/A.jpg/330px-A.jpg":                        {330, 0},
		"/wikipedia/commons/thumb/a/ab/A.tiff/qlow-lossy-page3-120px-A.tiff.jpg": {120, 0},
		"/wikipedia/commons/thumb/a/ab/A.svg/langzh-20px-77px-A.svg.png":         {77, 0},
		"/wikipedia/commons/thumb/a/ab/A.webm/99px-seek=10-A.webm.jpg":           {99, 0},
	} {
		got, _, err := g.Read(request(path, ""), Rights{Trusted: true})
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if w, h, ok := got.Kin.Size(got.Key.Path); !ok || w != want[0] || h != want[1] {
			t.Errorf("%s: %d × %d, %v: %+v of %s", path, w, h, ok, got.Kin, got.Key.Path)
		}
	}
	a, _, _ := g.Read(request("/unsafe/330x/a.jpg", ""), Rights{Trusted: true})
	b, _, _ := g.Read(request("/unsafe/331x/a.jpg", ""), Rights{Trusted: true})
	c, _, _ := g.Read(request("/unsafe/330x/smart/a.jpg", ""), Rights{Trusted: true})
	if a.Kin != b.Kin || a.Kin == c.Kin || a.Key == b.Key || a.Key == c.Key {
		t.Errorf("%v %v %v", a.Key, b.Key, c.Key)
	}
	if _, _, ok := a.Kin.Size(thumbnail.Location{Path: a.Kin.Before + "x" + a.Kin.Behind}.Path); ok {
		t.Error("a size was read from x")
	}
}

func TestStandardThumbnailsCanBeAskedFor(t *testing.T) {
	g := reader(t, func(*settings.Settings) {})
	for _, name := range []string{"A.jpg", "B.png", "C.svg", "D.pdf", "E.djvu", "F.tiff", "G.webm", "H.gif", "I.xcf", "J.stl", "K.webp", "L\u00e4.jpg", "M?.jpg"} {
		for _, original := range []string{"wikipedia-commons-local-public/a/ab/" + name, "plain/" + name} {
			path := g.Standard(original, 330)
			got, _, err := g.Read(request(path, ""), Rights{Trusted: true})
			if err != nil || got.Spec.Original.Name() != name || got.Spec.Width != 330 {
				t.Errorf("%s: %s: %+v, %v", original, path, got.Spec.Original, err)
			}
		}
	}
}

// Buckets are in the folders that a purge empties.
func TestBucketsAreAmongThePlaces(t *testing.T) {
	g := reader(t, func(s *settings.Settings) { s.Render.Buckets = []int{1280} })
	for original, spec := range map[string]thumbnail.Spec{
		"wikipedia-en-local-public/a/ab/Scan.pdf": {Original: thumbnail.Location{Container: "wikipedia-en-local-public", Path: "a/ab/Scan.pdf"}},
		"x/Scan.pdf": {Original: thumbnail.Location{Path: "x/Scan.pdf"}},
	} {
		key := thumbnail.Location{Container: "wikipedia-en-local-thumb", Path: "a/ab/Scan.pdf/page1-320px-Scan.pdf.jpg"}
		if spec.Original.Container == "" {
			found, err := g.FromSpec([]byte(`{"original":{"path":"x/Scan.pdf"},"width":320}`))
			if err != nil {
				t.Fatal(err)
			}
			key = found.Key
		}
		at := bucket.Of(spec, key, 1280).Key
		if !slices.ContainsFunc(g.Places(original).Folders, func(f Folder) bool {
			rest, in := strings.CutPrefix(at.Path, f.Begin.Path)
			return in && f.Begin.Container == at.Container && !strings.Contains(rest, "/")
		}) {
			t.Errorf("%s: no folder has %s", original, at)
		}
	}
}

// A path that lacks its first segment is answered with the path that was meant.
func TestMistypedURLs(t *testing.T) {
	g := reader(t, func(s *settings.Settings) { s.Imgproxy.Enabled = true })
	for path, says := range map[string]string{
		"/330x/photo.jpg": "/unsafe/330x/photo.jpg", "/fit-in/300x200/smart/a/b.png": "/unsafe/fit-in/300x200/smart/a/b.png", "/photo.jpg": "/unsafe/330x/photo.jpg",
		"/preset:card/a.jpg": "/unsafe/preset:card/a.jpg", "/rs:fit:300:200/plain/a.jpg": "/insecure/rs:fit:300:200/plain/a.jpg", "/favicon": "as in /unsafe/330x/photo.jpg",
		"/": "as in /unsafe/330x/photo.jpg", "/330x/" + strings.Repeat("a", 200) + ".jpg": "as in /unsafe/330x/photo.jpg",
	} {
		_, name, err := g.Read(request(path, ""), Rights{})
		if !fault.Is(err, fault.NoSuchURL) || name != None || !strings.HasSuffix(err.Error(), says) {
			t.Errorf("%s: %s, %v", path, name, err)
		}
	}
}

// The three grammars share one edge. Hints that the settings do not read change nothing.
func TestImgproxysURLsAreRead(t *testing.T) {
	g := reader(t, func(s *settings.Settings) { s.Imgproxy.Enabled, s.Edge.ClientHints = true, true })
	for path, want := range map[string]string{
		"/insecure/rs:fit:300:200/plain/a.jpg": "imgproxy", "/unsafe/300x200/a.jpg": "thumbor", "/wikipedia/commons/thumb/a/ab/A.jpg/330px-A.jpg": "mediawiki",
	} {
		for _, dpr := range []string{"", "2"} {
			r := request(path, "")
			r.Header.Set("Sec-CH-DPR", dpr)
			got, name, err := g.Read(r, Rights{Local: true})
			if name != want || err != nil || (got.Spec.Resize != nil) != (dpr == "2" && name == "imgproxy") {
				t.Errorf("%s: %s, %+v, %v", path, name, got.Spec.Resize, err)
			}
			if original, ok := g.Original(request(path, "")); !ok || original == "" {
				t.Errorf("%s shows no original", path)
			}
		}
	}
}

// A fallback has the size and the filters of the URL, and no part of another picture.
func TestAPictureInPlace(t *testing.T) {
	g := reader(t, func(s *settings.Settings) { s.Imgproxy.Enabled = true })
	for _, path := range []string{"/unsafe/trim/1x2:3x4/300x200/smart/filters:focal(1x1:2x2):page(3):grayscale():format(webp)/a.pdf", "/insecure/c:10:20/rs:fill:300:200/plain/a.jpg@webp"} {
		t1, _, err := g.Read(request(path, ""), Rights{Local: true})
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.InPlace(t1, "none.png")
		s := got.Spec
		if err != nil || s.Original.Path != "none.png" || s.Type != "png" || s.Width != 300 || s.Height != 200 || s.Format != "webp" || s.Cuts() || s.Trim != nil || s.Smart || s.Page != 0 {
			t.Errorf("%s: %s, %v", path, s.Canonical(), err)
		}
	}
}

// A purge takes the texts that operators copy: a name, a path, or the address of a thumbnail.
func TestNamesOfPurges(t *testing.T) {
	g := reader(t, func(s *settings.Settings) {
		s.Edge.SecurityKey, s.Imgproxy.Enabled, s.Store.Originals.Prefix = "key", true, "o/"
		s.Store.Loaders = []storeconfig.Loader{{For: "https://", Bucket: storeconfig.Bucket{Kind: "http", Hosts: []string{"*"}}}}
	})
	for text, want := range map[string]string{
		"a/b.jpg": "a/b.jpg", "https://site.example/b.jpg?c": "https://site.example/b.jpg?c", "wikipedia-en-local-public.ab/a/ab/A.jpg": "wikipedia-en-local-public.ab/a/ab/A.jpg",
		"/unsafe/330x/a/b.jpg": "o/a/b.jpg", "https://thumbs.example/unsafe/330x/smart/a/b.jpg": "o/a/b.jpg", "/insecure/rs:fit:9/plain/https://site.example/b.jpg": "https://site.example/b.jpg",
		"https://thumbs.example/8ammJH8D-7tXy6kU3lTvoXlhu4o=/300x200/x.jpg": "o/x.jpg", "/wikipedia/en/thumb/a/ab/A.jpg/330px-A.jpg": "wikipedia-en-local-public/o/a/ab/A.jpg",
		"/nothing": "/nothing", "http://[": "http://[",
	} {
		if got := g.Named(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	for prefix, want := range map[string]string{"2026/11/": "thumbor/o/2026/11/", "2026/1": "thumbor/o/2026/1"} {
		if begin, before := g.Under(prefix); begin.Path != want || before != "thumbor/" {
			t.Errorf("%s: %v %q", prefix, begin, before)
		}
	}
}
