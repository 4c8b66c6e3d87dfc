package mediawiki

import (
	"net/url"
	"regexp"
	"strconv"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// sized applies mediawiki.size_policy to a thumbnail of another width than the standard ones. With
// round_up it rounds the width up to the next standard width, in p as well, so that the key changes
// too. With redirect it returns the URL path to redirect to. With refuse it returns a fault that
// names this path.
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
	f := fault.New(fault.OddSize, "%d pixels is not a standard width here: ask for %d pixels, at %s", s.Width, width, p.url())
	f.Instead = p.url()
	return "", f
}

// lastWidth matches the thumbnail's width, which is the last one: a language may look like a width.
var lastWidth = regexp.MustCompile(`\d+px-((?:seek=\d+-)?)$`)

// standard returns the next standard width in pixels, at most the largest one.
func (m *Parser) standard(width int) int {
	sizes := m.settings.MediaWiki.Sizes
	for _, size := range sizes {
		if size >= width {
			return size
		}
	}
	return sizes[len(sizes)-1]
}

// url returns the URL path of the thumbnail, percent-encoded. It begins as the request's path began.
func (p path) url() string {
	zone := ""
	if p["zone"] != "" {
		zone = p["zone"] + "/"
	}
	plain := p["prefix"] + "/thumb/" + zone + p["shards"] + p.original() + "/" + p["options"] + p["end"]
	return (&url.URL{Path: plain}).EscapedPath()
}
