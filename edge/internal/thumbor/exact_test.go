package thumbor

import (
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// exact() changes the key of a thumbnail that could come from a bucket, and of no other thumbnail.
func TestExact(t *testing.T) {
	for name, c := range map[string]struct {
		buckets []int
		image   string
		counts  bool
	}{
		"a page":          {[]int{1280}, "a.pdf", true},
		"without buckets": {nil, "a.pdf", false},
		"a drawing":       {[]int{1280}, "a.svg", false},
	} {
		s := settings.Default()
		s.Render.Buckets, s.Edge.AllowUnsafe = c.buckets, true
		p := must(s)
		plain, err := p.Parse(Request{Path: "/unsafe/320x/" + c.image})
		if err != nil {
			t.Fatal(err)
		}
		exact, err := p.Parse(Request{Path: "/unsafe/320x/filters:exact()/" + c.image})
		if err != nil || exact.Spec.Exact != c.counts || (exact.Key != plain.Key) != c.counts || len(exact.Skipped) > 0 {
			t.Errorf("%s: %+v, %v", name, exact.Spec, err)
		}
	}
}
