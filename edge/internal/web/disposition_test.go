package web

import (
	"testing"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestDisposition(t *testing.T) {
	for name, c := range map[string]struct {
		original, contentType string
		wiki                  bool
		want                  string
	}{
		"another format":           {"a/b.tif", "image/jpeg", false, "b.tif.jpg"},
		"the original's format":    {"a/b.jpeg", "image/jpeg", false, "b.jpeg"},
		"in capitals":              {"a/b.PNG", "image/png", false, "b.PNG"},
		"metadata in JSON":         {"a/b.jpg", "application/json", false, "b.jpg.json"},
		"a name without extension": {"a/b", "image/webp", false, "b.webp"},
		"no content type":          {"a/b.jpg", "", false, "as the URL says"},
		"another content type":     {"a/b.jpg", "text/plain", false, "as the URL says"},
		"MediaWiki":                {"a/b.jpg", "image/webp", true, "as the URL says"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := target.Target{Spec: thumbnail.Spec{Original: thumbnail.Location{Path: c.original}}, Wiki: c.wiki, Disposition: "as the URL says"}
			want := c.want
			if want != asked.Disposition {
				want = target.Disposition(want, "")
			}
			if got := disposition(asked, c.contentType); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

func TestContentTypeOfAnOriginal(t *testing.T) {
	for name, want := range map[string]string{
		"a.JPE": "image/jpeg", "a.tif": "image/tiff", "a.djvu": "image/vnd.djvu", "a.ogg": "audio/ogg", "a.ogv": "video/ogg",
		"a.stl": "model/stl", "a.svg": "image/svg+xml", "a.html": "text/html; charset=utf-8", "a.nothing": "application/octet-stream", "a": "application/octet-stream",
	} {
		if got := contentType(name); got != want {
			t.Errorf("%s is served as %q, want %q", name, got, want)
		}
	}
}
