package mediawiki

import (
	"net/url"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Wikimedia's Varnish (its 19-normalize-thumbnail-url.vtc) and Swift middleware give these spellings
// one URL.
func TestSpellingsOfOneThumbnail(t *testing.T) {
	long := strings.Repeat("L0ng", 41) + ".pdf"
	for want, spellings := range map[string][]string{
		"b/b1/Santorin_(GR),_Ia.jpg/1000px-Santorin_(GR),_Ia.jpg": {
			"b/b1/Santorin_%28GR%29%2C_Ia.jpg/1000px-Santorin_%28GR%29%2C_Ia.jpg", "b/b1/Santorin_(GR),_Ia.jpg/1000px-foo.jpg",
			"b/b1/Santorin_(GR),_Ia.jpg/1000px-foo.JPG", "b/b1/Santorin_(GR),_Ia.jpg/1000PX-Santorin_(GR),_Ia.JPG",
			"b//b1///Santorin_(GR),_Ia.jpg/1000px-x.jpg", "b/b1/Santorin_(GR),_Ia.jpg/001000px-x.jpg",
		},
		"7/7f/Foobar.JPG/1600px-Foobar.JPG": {"7/7f/Foobar.JPG/1600px-Foobar.JPG", "7/7f/Foobar.JPG/1600px-Foobar.jpg"},
		"9/96/Nipple.webm/450px-seek=28-Nipple.webm.jpg": {
			"9/96/Nipple.webm/450px-seek%3D28-Nipple.webm.jpg", "9/96/Nipple.webm/450px-SeEk=28-nothing.jpg",
		},
		"7/7a/Reg.pdf/page2-847px-Reg.pdf.jpg": {
			"7/7a/Reg.pdf/page2-847px-thumbnail.pdf.jpg", "7/7a/Reg.pdf/Page2-847px-thumbnail.jpg", "7/7a/Reg.pdf/page2-847px-Reg.pdf.jpg",
		},
		"7/7a/" + long + "/page2-847px-thumbnail.jpg": {
			"7/7a/" + long + "/page2-847px-thumbnail.jpg", "7/7a/" + long + "/page2-847px-foo.jpg", "7/7a/" + long + "/page2-847px-" + long + ".jpg",
		},
	} {
		for _, spelling := range spellings {
			got, err := parser().Parse("/wikipedia/de/thumb/"+spelling, nil)
			if err != nil || got.Key.Path != "thumbor/"+want {
				t.Errorf("%s: %s, %v", spelling, got.Key.Path, err)
			}
		}
	}
}

func TestStoredAsTheyAre(t *testing.T) {
	for path, want := range map[string]string{
		"/wikipedia/en/a/ab/Cat.jpg":                           "wikipedia-en-local-public.ab/a/ab/Cat.jpg",
		"/wikipedia/de/a/ab/Cat.jpg":                           "wikipedia-de-local-public/a/ab/Cat.jpg",
		"/wikipedia/en/archive/a/ab/20160729183014!Cat.jpg":    "wikipedia-en-local-public.ab/archive/a/ab/20160729183014!Cat.jpg",
		"/wikipedia/de/transcoded/a/ab/V.ogv/V.ogv.480p.webm":  "wikipedia-de-local-transcoded/a/ab/V.ogv/V.ogv.480p.webm",
		"/wikipedia/en/timeline/a876297c277d80dfd826e1f23.png": "wikipedia-en-timeline-render/a876297c277d80dfd826e1f23.png",
		"/math/c/9/f/c9f2055dadfb49853eff822a453d9ceb.png":     "global-data-math-render.c9/c/9/f/c9f2055dadfb49853eff822a453d9ceb.png",
		"/wikipedia/en/math/c/9/f/c9f2.png":                    "global-data-math-render.c9/c/9/f/c9f2.png",
		"/score/j/q/jqn99bwy/jqn99bwy.png":                     "global-data-score-render/j/q/jqn99bwy/jqn99bwy.png",
		"/score/override-midi/8/i/8i9p.ogg":                    "global-data-score-render/override-midi/8/i/8i9p.ogg",
		"/phonos/a/b/abcd.mp3":                                 "global-data-phonos-render/a/b/abcd.mp3",
	} {
		s := settings.Default()
		s.Store.ShardedContainers = []string{"wikipedia-en-local-public", "global-data-math-render"}
		got, err := New(s).Parse(path, nil)
		if err != nil || got.Stored == nil || got.Stored.String() != want {
			t.Errorf("%s: %v, %v", path, got.Stored, err)
		}
	}
	for path, private := range map[string]bool{
		"/wikipedia/office/a/ab/Cat.jpg": true, "/wikipedia/office/archive/a/ab/1!Cat.jpg": true, "/wikipedia/de/a/ab/Cat.jpg": false,
		"/wikipedia/de/temp/a/ab/1!Cat.jpg": true,
	} {
		if got, err := parser().Parse(path, nil); err != nil || got.Private != private {
			t.Errorf("%s: private is %v, %v", path, got.Private, err)
		}
	}
	for _, path := range []string{"/wikipedia/en/a/ab/../../x", "/wikipedia/en/a/abc/Cat.jpg", "/wikipedia/en/thumb/a/ab/Cat.jpg", "/math/z/9/x.png"} {
		if got, err := parser().Parse(path, nil); err == nil {
			t.Errorf("%s: %v", path, got.Stored)
		}
	}
}

func TestThumbScript(t *testing.T) {
	for query, want := range map[string]string{
		"f=Cat.jpg&width=300":                          "/wikipedia/de/thumb/d/d1/Cat.jpg/300px-Cat.jpg",
		"f=Cat.jpg&w=300px":                            "/wikipedia/de/thumb/d/d1/Cat.jpg/300px-Cat.jpg",
		"f=A+cat.pdf&width=300&page=2":                 "/wikipedia/de/thumb/6/66/A_cat.pdf/page2-300px-A_cat.pdf.jpg",
		"f=cat.jpg&width=300&page=2":                   "/wikipedia/de/thumb/d/d1/Cat.jpg/300px-Cat.jpg",
		"f=+Cat.jpg_&width=0300&lossy=0":               "/wikipedia/de/thumb/d/d1/Cat.jpg/300px-Cat.jpg",
		"f=A__cat.pdf&width=300":                       "/wikipedia/de/thumb/6/66/A_cat.pdf/page1-300px-A_cat.pdf.jpg",
		"f=A+cat.svg&width=300&lang=en":                "/wikipedia/de/thumb/6/60/A_cat.svg/300px-A_cat.svg.png",
		"f=Cat.webp&w=300":                             "/wikipedia/de/thumb/1/10/Cat.webp/300px-Cat.webp.png",
		"f=Cat.tif&w=300&lossy=lossless&page=2":        "/wikipedia/de/thumb/1/1b/Cat.tif/lossless-page2-300px-Cat.tif.png",
		"f=Cat.tif&w=300&lossy=1":                      "/wikipedia/de/thumb/1/1b/Cat.tif/lossy-page1-300px-Cat.tif.jpg",
		"f=Cat.webm&w=300&thumbtime=1:02.7":            "/wikipedia/de/thumb/8/87/Cat.webm/300px-seek=62-Cat.webm.jpg",
		"f=A+cat.svg&width=300&lang=FR":                "/wikipedia/de/thumb/6/60/A_cat.svg/langfr-300px-A_cat.svg.png",
		"f=20160729183014!Cat.jpg&archived=1&w=5":      "/wikipedia/de/thumb/archive/d/d1/20160729183014!Cat.jpg/5px-20160729183014!Cat.jpg",
		"f=Cat.jpg&thumbName=page1-20px-thumbnail.jpg": "/wikipedia/de/thumb/d/d1/Cat.jpg/page1-20px-thumbnail.jpg",
		"rel404=d/d1/Cat.jpg/300px-Cat.jpg":            "/wikipedia/de/thumb/d/d1/Cat.jpg/300px-Cat.jpg",
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := parser().Parse(want, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, script := range []string{"/wikipedia/de/thumb.php", "/wikipedia/de/w/thumb.php"} {
			got, err := parser().Parse(script, q)
			if err != nil || got.Key != wanted.Key || got.Spec.Digest() != wanted.Spec.Digest() {
				t.Errorf("%s?%s: %s, %v; want %s", script, query, got.Key, err, wanted.Key)
			}
		}
	}
	for query, kind := range map[string]fault.Kind{"": fault.NoSuchURL, "f=Cat.jpg": fault.BadURL, "f=Cat.jpg&w=x": fault.BadURL, "f=Cat.jpg&w=0": fault.BadURL} {
		q, _ := url.ParseQuery(query)
		if _, err := parser().Parse("/wikipedia/de/thumb.php", q); !fault.Is(err, kind) {
			t.Errorf("%q: %v", query, err)
		}
	}
	s := settings.Default()
	if _, err := New(s).Parse("/w/thumb.php", url.Values{"f": {"Cat.jpg"}, "w": {"3"}}); !fault.Is(err, fault.NoSuchURL) {
		t.Errorf("without mediawiki.wiki: %v", err)
	}
	s.MediaWiki.Wiki = "wikipedia/de"
	if got, err := New(s).Parse("/w/thumb.php", url.Values{"f": {"Cat.jpg"}, "w": {"3"}}); err != nil || got.Spec.Original.Container != "wikipedia-de-local-public" {
		t.Errorf("with mediawiki.wiki: %+v, %v", got, err)
	}
}

func TestStandardSizes(t *testing.T) {
	with := func(policy string) *Parser {
		s := settings.Default()
		s.MediaWiki.SizePolicy = policy
		return New(s)
	}
	odd, even := "/wikipedia/de/thumb/a/ab/A_b.png/page1-300px-A_b.png", "/wikipedia/de/thumb/a/ab/A_b.png/page1-330px-A_b.png"
	if got, err := with("free").Parse(odd, nil); err != nil || got.Spec.Width != 300 {
		t.Errorf("free: %d, %v", got.Spec.Width, err)
	}
	// standard returns the answer for a width that is not the original's own.
	standard := func(policy, path string) (target.Target, error) {
		t.Helper()
		got, err := with(policy).Parse(path, url.Values{"20260101000000": {""}})
		if err != nil || got.Odd == nil || got.Spec.Width == 330 || got.Redirect != "" {
			t.Fatalf("%s: %+v, %v; the original's own width must pass", policy, got, err)
		}
		instead, err := got.Standard()
		if instead.AsOf.IsZero() {
			t.Errorf("%s: the version is lost", policy)
		}
		return instead, err
	}
	if got, err := standard("round_up", odd); err != nil || got.Spec.Width != 330 || !strings.Contains(got.Key.Path, "page1-330px-") {
		t.Errorf("round_up: %d at %s, %v", got.Spec.Width, got.Key, err)
	}
	if got, err := standard("redirect", odd); err != nil || got.Redirect != even {
		t.Errorf("redirect: %q, %v", got.Redirect, err)
	}
	if got, err := standard("redirect", "/wikipedia/de/thumb/a/ab/A.svg/langx-300px-50px-A.svg.png"); err != nil || !strings.Contains(got.Redirect, "/langx-300px-60px-") {
		t.Errorf("a language that looks like a width: %q, %v", got.Redirect, err)
	}
	_, err := standard("refuse", odd)
	if f := fault.Of(err); f.Kind != fault.OddSize || f.Instead != even || !strings.Contains(f.Message, "330") || f.RetryAfter() != 0 || f.Kind.Traits().Status != 400 {
		t.Errorf("refuse: %+v", f)
	}
	for _, policy := range []string{"round_up", "redirect", "refuse"} {
		if got, err := with(policy).Parse(even, nil); err != nil || got.Odd != nil || got.Redirect != "" || got.Spec.Width != 330 {
			t.Errorf("%s, a standard size: %+v, %v", policy, got, err)
		}
	}
	if got, err := standard("round_up", "/wikipedia/de/thumb/a/ab/A.png/5000px-A.png"); err != nil || got.Spec.Width != 3840 {
		t.Errorf("above the largest size: %d, %v", got.Spec.Width, err)
	}
	if got, err := with("round_up").Parse("/wikipedia/de/thumb/a/ab/A.png/900000px-A.png", nil); err != nil || got.Odd != nil || got.Spec.Width != 3840 {
		t.Errorf("above edge.max_width: %d, %v", got.Spec.Width, err)
	}
}
