package thumbor

import (
	"compress/gzip"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/renderer"
	"github.com/thumbmill/thumbmill/shared/settings"
)

func TestMain(m *testing.M) {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	goleak.VerifyTestMain(m)
}

const (
	// near is the largest distance of pictures that count as equal. Differences of decoders and
	// kernels are below it, the effect of a filter is above.
	near = 10
	// leastOfThumbor and leastOfImgproxy are the shares of URLs that must agree. imgproxy converts CMYK by another profile.
	leastOfThumbor, leastOfImgproxy = 0.99, 0.98
)

func recorded(t *testing.T, file string) map[string]Answer {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	unpacked, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var answers map[string]Answer
	if err := json.NewDecoder(unpacked).Decode(&answers); err != nil {
		t.Fatal(err)
	}
	return answers
}

// thumbmill answers as Thumbor does. If Thumbor fails with a 5xx, any status below 500 is right.
func TestAgreesWithThumbor(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Store.Originals.Path = "testdata/originals"
		s.Thumbor.Rotate, s.Thumbor.KeepGIFs = "counterclockwise", true
		s.Renderer.Slots = 2
		s.Throttle.PerIP.Shadow = true
	}})
	compare(t, c, URLs(), recorded(t, "recorded.json.gz"), leastOfThumbor)
}

// thumbmill answers imgproxy's URLs as imgproxy does.
func TestAgreesWithImgproxy(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Store.Originals.Path = "testdata/originals"
		s.Imgproxy.Enabled = true
		s.Renderer.Slots = 2
		s.Throttle.PerIP.Shadow = true
	}})
	compare(t, c, ImgproxyURLs(), recorded(t, "imgproxy.json.gz"), leastOfImgproxy)
}

// compare requests the URLs from the cluster. At least the share least must agree with the recorded answers.
func compare(t *testing.T, c *cluster.Cluster, urls []string, theirs map[string]Answer, least float64) {
	t.Helper()
	var next, agreed atomic.Int64
	var clients sync.WaitGroup
	for range c.Settings.Renderer.Slots {
		clients.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(urls)); i = next.Add(1) - 1 {
				if agrees(t, "http://"+c.Edges[0].Addr(), urls[i], theirs) {
					agreed.Add(1)
				}
			}
		})
	}
	clients.Wait()
	t.Logf("%d of %d agree", agreed.Load(), len(urls))
	if float64(agreed.Load()) < least*float64(len(urls)) {
		t.Errorf("%d of %d agree, at least %.0f %% must", agreed.Load(), len(urls), 100*least)
	}
}

// agrees requests a URL, and compares the answer with Thumbor's.
func agrees(t *testing.T, base, url string, theirs map[string]Answer) bool {
	t.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	want, ok := theirs[url]
	if !ok {
		t.Errorf("%s was not recorded", url)
		return false
	}
	ours, err := Unsafe(client, base, url)
	if err != nil {
		t.Errorf("%s: %v", url, err)
		return false
	}
	if ours.Status >= http.StatusInternalServerError {
		t.Errorf("%s: %d", url, ours.Status)
	}
	why := differs(url, theirs, want, ours)
	if why != "" {
		t.Logf("%s: %s", url, why)
	}
	return why == ""
}

func differs(url string, theirs map[string]Answer, want, got Answer) string {
	switch {
	case want.Status >= http.StatusInternalServerError:
		return ""
	case got.Status != want.Status:
		return http.StatusText(got.Status) + " for " + http.StatusText(want.Status)
	case got.Width != want.Width || got.Height != want.Height:
		return "another size"
	case got.Type != want.Type:
		return "a " + got.Type + " for a " + want.Type
	case got.Small == nil && want.Small == nil:
		return ""
	case Distance(got.Small, want.Small) > near:
		return "another picture"
	}
	plain, known := theirs[WithoutFilters(url)]
	if known && Distance(want.Small, plain.Small) > near && Distance(got.Small, plain.Small) < Distance(got.Small, want.Small) {
		return "nearer to the picture without filters"
	}
	return ""
}

func TestURLsAreDistinct(t *testing.T) {
	urls := URLs()
	slices.Sort(urls)
	if n := len(slices.Compact(urls)); n != len(URLs()) {
		t.Errorf("%d of %d are distinct", n, len(URLs()))
	}
	if plain := WithoutFilters("150x100/filters:blur(3):rgb(1,2,3)/photo.jpg"); plain != "150x100/photo.jpg" {
		t.Error(plain)
	}
	if !strings.Contains(strings.Join(urls, "\n"), WithoutFilters(boxes[1]+"/filters:x()/photo.jpg")) {
		t.Error("URLs lacks a picture without filters")
	}
}
