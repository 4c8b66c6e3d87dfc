package mediawiki

import (
	"net/url"
	"regexp"
	"strconv"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// sized holds a thumbnail to the standard sizes: rounded up to the next of them, in
// its key as well; or redirected there, or refused with a word where to go.
func (m *Parser) sized(s *thumbnail.Spec, p path) (redirect string, err error) {
	policy := m.settings.MediaWiki.SizePolicy
	width := m.standard(s.Width)
	if policy == "free" || width == s.Width {
		return "", nil
	}
	p["options"] = lastWidth.ReplaceAllString(p["options"], strconv.Itoa(width)+"px-$1")
	switch policy {
	case "round_up":
		s.Width = width
		return "", nil
	case "redirect":
		return p.url(), nil
	}
	f := fault.New(fault.OddSize, "thumbnails of this width are not made here: ask for %d pixels, at %s", width, p.url())
	f.Instead = p.url()
	return "", f
}

// lastWidth is the thumbnail's: a language may end like one.
var lastWidth = regexp.MustCompile(`\d+px-((?:seek=\d+-)?)$`)

// standard is the next standard width, or the largest one.
func (m *Parser) standard(width int) int {
	sizes := m.settings.MediaWiki.Sizes
	for _, size := range sizes {
		if size >= width {
			return size
		}
	}
	return sizes[len(sizes)-1]
}

// url is the path of the thumbnail, percent-encoded, as the request had its beginning.
func (p path) url() string {
	zone := ""
	if p["zone"] != "" {
		zone = p["zone"] + "/"
	}
	plain := p["prefix"] + "/thumb/" + zone + p["shards"] + p.original() + "/" + p["options"] + p["end"]
	return (&url.URL{Path: plain}).EscapedPath()
}
