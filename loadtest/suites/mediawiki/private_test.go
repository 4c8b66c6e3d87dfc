package mediawiki

import (
	"image"
	"net/http"
	"testing"
)

// Readers with an account see the thumbnails of a private wiki, and nobody else does: neither by
// the wiki nor by the edge.
func TestAPrivateWiki(t *testing.T) {
	t.Parallel()
	m := setUp(t, private)
	jar := m.wiki.Login()
	m.uploadLandscape("Secret.jpg", 600, 400)
	const path = "Secret.jpg/120px-Secret.jpg"
	byWiki := m.wiki.URL + "/w/img_auth.php/thumb/" + folders("Secret.jpg") + path
	byEdge := "http://" + m.edge + "/site/en/thumb/" + folders("Secret.jpg") + path
	for address, want := range map[string]int{
		byWiki: http.StatusForbidden, byEdge: http.StatusUnauthorized,
		"http://" + m.edge + "/w/img_auth.php/thumb/" + folders("Secret.jpg") + path: http.StatusUnauthorized,
		"http://" + m.edge + "/site/en/" + folders("Secret.jpg") + "Secret.jpg":      http.StatusUnauthorized,
	} {
		if a := m.get(address); a.status != want {
			t.Errorf("a stranger gets %d at %s, want %d", a.status, address, want)
		}
	}
	m.client = visitor(jar)
	a := m.get(byWiki)
	if a.status != http.StatusOK || a.size() != image.Pt(120, 80) {
		t.Fatalf("a reader with an account gets %d, %v: %.300s", a.status, a.size(), a.body)
	}
	if control := a.header.Get("Cache-Control"); control != "private, no-store" {
		t.Errorf("caches may keep it: %q", control)
	}
	m.waitsForTheNextSecond("Secret.jpg")
	m.uploadLandscape("Secret.jpg", 600, 600)
	m.sees("after a new upload", byWiki, image.Pt(120, 120))
}
