package grammar

import (
	"testing"

	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// No loader reaches private or refused originals. The loader's name, its prefix and its position in
// the list make no difference.
func TestLoadersAreNoWayAround(t *testing.T) {
	const private = "wikipedia-office-local-public"
	g := reader(t, func(s *settings.Settings) {
		s.Store.PrivateContainers = []string{private}
		s.Edge.Blacklist = []string{"banned.jpg"}
		s.Store.Loaders = []storeconfig.Loader{
			{For: "d/"}, {For: "d/e/"}, {For: private + "/", Bucket: storeconfig.Bucket{Prefix: private + "/"}},
			{For: "short/", Bucket: storeconfig.Bucket{Prefix: private + "/"}}, {For: "https://", Bucket: storeconfig.Bucket{Kind: "http", Hosts: []string{"*"}}},
		}
	})
	for image, want := range map[string]string{
		private + "/a/ab/S.jpg": "private", "d/" + private + "/S.jpg": "private", "d/e/" + private + "/S.jpg": "private", "short/a/ab/S.jpg": "private",
		"d/e/wikipedia-commons-local-temp/S.jpg": "private", "d/e/x.jpg": "public", "d/banned.jpg": "refused", "d/e/banned.jpg": "refused",
		"banned.jpg": "refused", "http://site.example/x.jpg": "refused", "https://site.example/x.jpg": "public", "ftp://site.example/x.jpg": "refused",
		"https://site.example/a/../x.jpg": "refused", "https://u:p@site.example/x.jpg": "refused", "filters:watermark(http://site.example/w.png,0,0,0)/x.jpg": "public",
	} {
		got, _, err := g.Read(request("/unsafe/330x/"+image, ""), Rights{Trusted: true})
		is := "public"
		switch {
		case err != nil:
			is = "refused"
		case got.Private:
			is = "private"
		}
		if is != want {
			t.Errorf("%s is %s, want %s: %v", image, is, want, err)
		}
		if err == nil && len(got.Spec.Pictures()) > 0 {
			t.Errorf("%s draws a picture that no loader reads", image)
		}
	}
}

// A store with an endpoint reads no URLs.
func TestAnEndpointReadsNoURLs(t *testing.T) {
	g := reader(t, func(s *settings.Settings) {
		s.Store.Originals = storeconfig.Bucket{Kind: "http", Endpoint: "http://media.example/public/"}
	})
	for image, ok := range map[string]bool{"a/b.jpg": true, "http://media.example/outside/b.jpg": false, "http:/media.example/b.jpg": true} { // the last one names an object below the endpoint
		if _, _, err := g.Read(request("/unsafe/330x/"+image, ""), Rights{Trusted: true}); (err == nil) != ok {
			t.Errorf("%s: %v", image, err)
		}
	}
}

func TestSpecsThatSomebodyWrote(t *testing.T) {
	g := reader(t, func(*settings.Settings) {})
	for text, ok := range map[string]bool{
		`{"original": {"path": "a.jpg"}, "width": 330}`:                                       true,
		`{"original": {"path": "a.jpg"}, "operations": [{"name": "blur", "args": [3, 1]}]}`:   true,
		`{"original": {"path": "a.jpg"}, "operations": [{"name": "blur"}]}`:                   false,
		`{"original": {"path": "a.jpg"}, "operations": [{"name": "nonsense"}]}`:               false,
		`{"original": {"path": "a.jpg"}, "operations": [{"name": "frame"}]}`:                  false,
		`{"original": {"path": "a.jpg"}, "quality": -7}`:                                      false,
		`{"original": {"path": "a.jpg"}, "chroma_subsampling": "zz"}`:                         false,
		`{"original": {"path": "a.jpg"}, "format": "x/y"}`:                                    false,
		`{"original": {"path": "a.jpg"}, "width": -1}`:                                        false,
		`{"original": {"path": "../a.jpg"}}`:                                                  false,
		`{"original": {"container": "wikipedia-commons-local-public", "path": "a/ab/A.jpg"}}`: false,
		`{"original": {"path": "http://site.example/a.jpg"}}`:                                 false,
		`[]`: false,
	} {
		if _, err := g.FromSpec([]byte(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}
