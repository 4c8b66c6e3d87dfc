package mediawiki

import (
	"fmt"
	"image"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// Two wikis by host name share an edge. The second one has no folders by hash, and other paths. Both have files
// of the same names, so that a mix-up shows.
func TestTwoWikis(t *testing.T) {
	onlyLong(t)
	second := servers.NewWiki(t, "PdfHandler", "PageImages")
	m := setUp(t, inFolder, func(m *machine) {
		m.also = []string{
			"{wiki: site/en, prefix: /w/images}", fmt.Sprintf(`{wiki: site/en, prefix: /w/images, host: "%s"}
    - {wiki: site/flat, prefix: /files, host: "%s", script: /php/thumb.php, hash_levels: 0}`, m.wiki.Address, second.Address),
			"loaders:", "loaders:\n    - {for: site-flat-local-public/, kind: directory, path: " + second.Images + "}",
		}
	})
	flat := m.beside(second)
	files := shortFiles(t)[:4]
	m.upload(files)
	body, err := samples.JPEG(samples.Landscape(900, 300))
	m.must(err)
	files[0].Body = body
	flat.upload(files)
	for _, each := range []*machine{m, flat} {
		each.readsEverything(files, []int{80, 250})
	}
	const path = "/files/thumb/Landscape.jpg/120px-Landscape.jpg"
	flat.sees("before a new upload", second.URL+path, image.Pt(120, 40))
	m.uploadLandscape("Landscape.jpg", 600, 600)
	flat.sees("after the other wiki's upload", second.URL+path, image.Pt(120, 40))
	m.sees("after its own upload", m.thumbOf("Landscape.jpg", 120), image.Pt(120, 120))
	flat.uploadLandscape("Landscape.jpg", 500, 100)
	flat.sees("after a new upload", second.URL+path, image.Pt(120, 24))
	flat.sees("by thumb.php", second.URL+"/php/thumb.php?f=Landscape.jpg&width=100", image.Pt(100, 20))
	m.sees("by the first wiki's thumb.php", m.wiki.URL+"/w/thumb.php?f=Landscape.jpg&width=100", image.Pt(100, 100))
}

// beside follows the page for a second wiki on the machine's edge, whose settings have the wiki's paths.
func (m *machine) beside(second *servers.Wiki) *machine {
	m.t.Helper()
	its := strings.NewReplacer(m.wiki.FastCGI(), second.FastCGI(), m.wiki.Images, second.Images, "site-en", "site-flat",
		"/w/images", "/files", "/w/thumb.php", "/php/thumb.php", "'hashLevels' => 2", "'hashLevels' => 0")
	second.Configure("$wgUploadPath = '/files';")
	var nginx strings.Builder
	fmt.Fprintf(&nginx, "location /files/ { alias %s/; }\n", second.Images)
	for _, b := range blocks(m.t, inFolder...) {
		text := its.Replace(m.replace.Replace(b.text))
		switch b.language {
		case "php":
			second.Configure(text)
		case "nginx":
			nginx.WriteString(text)
		}
	}
	second.Own(fmt.Sprintf(ownSettings, second.Dir))
	second.Serve(nginx.String())
	return &machine{t: m.t, wiki: second, client: visitor(nil), shapes: map[string]image.Point{}, checked: map[string]answer{}}
}
