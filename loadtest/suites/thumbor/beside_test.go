package thumbor

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Thumbor's signatures
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/fromthumbor"
	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/shared/settings"
)

const (
	// compared is the number of URLs for each configuration.
	compared = 200
	// leastBeside is the share of them that must agree. The others are intended differences: an animated GIF as WebP
	// for browsers that accept it, 16-bit grey with a filter, the original's own size below MAX_WIDTH.
	leastBeside = 0.95
	// leastWithGifsicle is the share for Thumbor's gifsicle engine, which writes only GIFs, with sizes of its own.
	leastWithGifsicle = 0.9
	// environments is the key of a configuration that reads its key from the environment, which operators set by hand.
	environments = "MY_SECURE_KEY"
)

// kept are configurations beside those in the folder THUMBMILL_CASES. {originals} is the folder of the originals.
func kept() map[string]string {
	return map[string]string{
		"a folder, signed": `
SECURITY_KEY = 'a-key-of-a-site'
ALLOW_UNSAFE_URL = False
LOADER = 'thumbor.loaders.file_loader'
FILE_LOADER_ROOT_PATH = '{originals}'
MAX_WIDTH = 120
MAX_HEIGHT = 90
QUALITY = 60`,
		"formats by Accept": `
AUTO_WEBP = True
LOADER = 'thumbor.loaders.file_loader'
FILE_LOADER_ROOT_PATH = '{originals}'
RESPECT_ORIENTATION = True
ALLOW_ANIMATED_GIFS = False`,
		"JPEG of PNG": `
AUTO_PNG_TO_JPG = True
PROGRESSIVE_JPEG = False
LOADER = 'thumbor.loaders.file_loader_http_fallback'
FILE_LOADER_ROOT_PATH = '{originals}'
ALLOWED_SOURCES = [r'(img|cdn)\.example\.org']
DETECTORS = []`,
	}
}

// A site that moves in gets Thumbor's answers. Thumbor runs with each configuration, thumbmill runs with the settings
// that config from-thumbor makes of it, and both answer the same URLs: for allowed and other hosts, with right, wrong
// and no signatures, from browsers that accept WebP and from others.
//
// THUMBMILL_THUMBOR is a PYTHONPATH with Thumbor 7.8 and the dependencies that Debian's Python lacks. The
// originals' server needs port 80 of a loopback address, and so root.
func TestBesideThumbor(t *testing.T) {
	python := os.Getenv("THUMBMILL_THUMBOR")
	if python == "" {
		t.Skip("set THUMBMILL_THUMBOR to a PYTHONPATH with Thumbor 7.8")
	}
	serveOriginals(t)
	for name, text := range configurations(t) {
		t.Run(name, func(t *testing.T) {
			theirs := startThumbor(t, python, text)
			c := moveIn(t, text)
			compareSites(t, requests(c.Settings, usableHost(t, c.Settings, theirs)), theirs, "http://"+c.Edges[0].Addr(), least(text))
		})
	}
}

// configurations returns the texts of all configurations by name.
func configurations(t *testing.T) map[string]string {
	t.Helper()
	originals, err := filepath.Abs("testdata/originals")
	if err != nil {
		t.Fatal(err)
	}
	all := kept()
	files, _ := filepath.Glob(filepath.Join(os.Getenv("THUMBMILL_CASES"), "thumbor-*.conf"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(file)] = string(text)
	}
	for name, text := range all {
		all[name] = strings.ReplaceAll(text, "{originals}", originals)
	}
	return all
}

// moveIn starts a cluster with the settings that a configuration converts to. Addresses, folders of results, and
// originals in S3 are the test's.
func moveIn(t *testing.T, text string) *cluster.Cluster {
	t.Helper()
	conversion, err := fromthumbor.Convert([]byte(text), true)
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := conversion.YAML("Thumbor")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "20-thumbor.yaml")
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	site, err := settings.Load(path, nil, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, yaml)
	}
	return cluster.Start(t, cluster.Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Edge.SecurityKey, s.Edge.SecurityKeys, s.Edge.AllowUnsafe = site.Edge.SecurityKey, site.Edge.SecurityKeys, site.Edge.AllowUnsafe
		if s.Edge.SecurityKey == "" && !s.Edge.AllowUnsafe {
			s.Edge.SecurityKey = environments
		}
		s.Render, s.Thumbor, s.Store.Loaders = site.Render, site.Thumbor, site.Store.Loaders
		s.Renderer.MaxPixels, s.Renderer.Optimizers, s.Renderer.Slots = site.Renderer.MaxPixels, site.Renderer.Optimizers, 2
		s.Throttle.PerIP.Shadow = true
		if s.Store.Originals = site.Store.Originals; s.Store.Originals.Kind == "s3" {
			s.Store.Originals = settings.Default().Store.Originals
			s.Store.Originals.Path = "testdata/originals"
		}
		s.Store.Originals.Allow = []string{origins}
		for i := range s.Store.Loaders {
			s.Store.Loaders[i].Bucket.Allow = []string{origins}
		}
	}})
}

// request is a request to both servers.
type request struct{ path, accept string }

// requests returns the compared requests: URLs of the recorded comparison. Some have another host, no
// signature, or a wrong one.
func requests(s settings.Settings, host string) (all []request) {
	others := []string{"cdn.example.org", "cdn-example.org", "img.example.com", "example.com", "a.example", "www.globo.com", "s3-eu.amazonaws.com", "evil.example"}
	urls := URLs()
	for i := range compared {
		url := urls[i*len(urls)/compared]
		at, image := "", url
		if slash := strings.LastIndex(url, "/"); slash >= 0 {
			at, image = url[:slash+1], url[slash+1:]
		}
		if host != "" {
			prefix := host
			if i%8 == 7 {
				prefix = others[i/8%len(others)]
			}
			url = at + prefix + "/" + image
		}
		first := "unsafe"
		if key := s.Edge.SecurityKey; key != "" && i%10 != 9 {
			first = signature(string(key), url)
		}
		if i%20 == 18 {
			first = signature("another key", url)
		}
		all = append(all, request{"/" + first + "/" + url, []string{"image/webp,*/*;q=0.8", "*/*", ""}[i%3]})
	}
	return all
}

func signature(key, url string) string {
	sum := hmac.New(sha1.New, []byte(key))
	sum.Write([]byte(url))
	return base64.URLEncoding.EncodeToString(sum.Sum(nil))
}

// usableHost returns a host that Thumbor allows, or "" for a Thumbor that reads a folder.
func usableHost(t *testing.T, s settings.Settings, theirs string) string {
	t.Helper()
	for _, host := range []string{"", "cdn.example.org/", "a.example/"} {
		first := "unsafe"
		if key := s.Edge.SecurityKey; key != "" {
			first = signature(string(key), "10x10/"+host+"photo.jpg")
		}
		if a, err := ask(theirs, request{path: "/" + first + "/10x10/" + host + "photo.jpg"}); err == nil && a.Status == http.StatusOK {
			return strings.TrimSuffix(host, "/")
		}
	}
	t.Fatal("Thumbor serves none of the test's hosts: add one that this configuration allows")
	return ""
}

func ask(base string, r request) (Answer, error) {
	asked, err := http.NewRequest(http.MethodGet, base+r.path, nil)
	if err != nil {
		return Answer{}, err
	}
	if r.accept != "" {
		asked.Header.Set("Accept", r.accept)
	}
	return Read(&http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}, asked)
}

// least returns the share of a configuration's URLs that must agree.
func least(text string) float64 {
	if strings.Contains(text, "USE_GIFSICLE_ENGINE = True") {
		return leastWithGifsicle
	}
	return leastBeside
}

// compareSites sends all requests to both. At least the share least must agree.
func compareSites(t *testing.T, all []request, theirs, ours string, least float64) {
	t.Helper()
	agreed := 0
	for _, r := range all {
		want, err := ask(theirs, r)
		if err != nil {
			t.Errorf("Thumbor: %s: %v", r.path, err)
			continue
		}
		got, err := ask(ours, r)
		if got.Status == http.StatusForbidden && want.Status == http.StatusBadRequest {
			got.Status = want.Status // thumbmill tells forbidden from malformed URLs
		}
		switch why := differs(r.path, nil, want, got); {
		case err != nil:
			t.Errorf("%s: %v", r.path, err)
		case why != "":
			t.Logf("%s (%s): %s: %d %s %d×%d for %d %s %d×%d", r.path, r.accept, why, got.Status, got.Type, got.Width, got.Height, want.Status, want.Type, want.Width, want.Height)
		default:
			agreed++
		}
	}
	t.Logf("%d of %d agree", agreed, len(all))
	if float64(agreed) < least*float64(len(all)) {
		t.Errorf("%d of %d agree, at least %.0f %% must", agreed, len(all), 100*least)
	}
}
