package thumbor

import (
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/suites/cluster"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// pieces are parts of URLs, valid and invalid. The test combines them at random.
var pieces = struct{ options, calls, images []string }{
	options: append(strings.Fields("debug meta smart left top trim trim:bottom-right:30 0x0 1x1 4000x1 1x4000 -0x-0 origx0 99999x fit-in full-fit-in/1x1 "+
		"999999999x1:1x999999999 9x9:1x1 adaptive-full-fit-in/3000x3000 //"), geometries...),
	calls: append(strings.Fields("proportion(0.0001) proportion(900) rotate(99999999999) blur(150,0.0001) sharpen(999,-999,true) sharpen(-9,9,0) "+
		"noise(999999999,4294967295) saturation(-99999) contrast(999999999) rgb(-999999999,0,999999999) colorize(999,999,999,000000) "+
		"round_corner(1|999999,0,0,0,true) convolution(0;0;0,3,true) convolution(999999;-999999;5,1) crop(-5,-5,5,5) crop(9,9,1,1) page(99) lang(xx) "+
		"watermark(mark.png,-999999,999999p,100,1,1) watermark(mark.png,repeat,repeat,0,1) watermark(photo.jpg,center,center,0,300,300) "+
		"watermark(anim.gif,1,1,1) frame(mark.png) frame(photo.jpg) focal(0x0:9x9) focal(999999x999999:9999999x9999999) fill(transparent) "+
		"red_eye() autojpg() format(avif) format(gif) max_bytes(1) upscale() no_upscale() stretch() extract_focal() quality(1) curve([(0,0)],[(0,0)],[(0,0)],[(0,0)])"), filterTexts...),
	images: append([]string{"border.png", "mark.png", "nothere.jpg", "%ff.jpg", "..", "a%00b.png", "unsafe/5x5:9x9/photo.jpg"}, originals...),
}

func draw(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }

func randomURL(r *rand.Rand) string {
	var parts []string
	for range r.IntN(4) {
		parts = append(parts, draw(r, pieces.options))
	}
	var calls []string
	for range r.IntN(6) {
		calls = append(calls, draw(r, pieces.calls))
	}
	if calls != nil {
		parts = append(parts, "filters:"+strings.Join(calls, ":"))
	}
	return strings.Join(append(parts, draw(r, pieces.images)), "/")
}

// For every URL, the answer is a picture or a refusal, and the original is not held responsible.
func TestNoURLBreaksAnything(t *testing.T) {
	c := cluster.Start(t, cluster.Options{Workers: true, Settings: func(s *settings.Settings) {
		s.Store.Originals.Path = "testdata/originals"
		s.Thumbor.GIFFilters = true
		s.Renderer.Slots = 2
		s.Renderer.TimeLimit = 40 * time.Second // an animation enlarged to 36 megapixels takes 17 s on an idle machine
		s.Throttle.PerIP.Shadow = true
	}})
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	seed := uint64(time.Now().UnixNano())
	if given, err := strconv.ParseUint(os.Getenv("THUMBMILL_SEED"), 10, 64); err == nil {
		seed = given // repeats a failed run
	}
	r := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		url := randomURL(r)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.Edges[0].Addr()+"/unsafe/"+url, nil)
		if err != nil {
			continue // no client can send such a URL
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, url, err)
		}
		body, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil {
			t.Fatalf("seed %d: %s: %v", seed, url, err)
		}
		kind := http.DetectContentType(body)
		if told := response.Header.Get("Content-Type"); response.StatusCode == http.StatusOK && told != kind && !slices.Contains([]string{"application/json", "image/avif"}, told) {
			t.Errorf("seed %d: %s: the Content-Type of a %s is %s", seed, url, kind, told)
		}
		if response.StatusCode >= http.StatusInternalServerError || response.StatusCode == http.StatusUnprocessableEntity || response.StatusCode == http.StatusTooManyRequests {
			t.Errorf("seed %d: %s: %d", seed, url, response.StatusCode)
		}
	}
}
