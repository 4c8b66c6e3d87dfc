package mediawiki

import (
	"net/url"
	"regexp"
	"strconv"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
)

// sized applies mediawiki.size_policy to the target of a width that is not standard. MediaWiki links to such
// a width if it is the original's own. The target therefore keeps the width, and Odd has the answer for all
// other widths. A width that CheckSize refuses gets that answer at once.
func (m *Parser) sized(t target.Target, p path) (target.Target, error) {
	width := m.standard(t.Spec.Width)
	tooLarge := target.CheckSize(t.Spec, m.settings.Edge)
	if m.settings.MediaWiki.SizePolicy == "free" || width == t.Spec.Width {
		return t, tooLarge
	}
	odd := m.odd(t, p, width)
	if tooLarge != nil {
		return odd.Target, odd.Err
	}
	t.Odd = &odd
	return t, nil
}

// odd returns the policy's answer: the thumbnail of the next standard width (round_up), a redirect to it, or
// a fault that names it (refuse). It changes the width in p.
func (m *Parser) odd(t target.Target, p path, width int) target.Odd {
	asked := t.Spec.Width
	p["options"] = lastWidth.ReplaceAllString(p["options"], strconv.Itoa(width)+"px-$1")
	switch m.settings.MediaWiki.SizePolicy {
	case "round_up":
		t.Spec.Width, t.Key, t.Kin = width, m.key(p), m.kin(p)
		return target.Odd{Target: t, Err: target.CheckSize(t.Spec, m.settings.Edge)}
	case "redirect":
		t.Redirect = p.url()
		return target.Odd{Target: t}
	}
	f := fault.New(fault.OddSize, "%d pixels is not a standard width here: ask for %d pixels, at %s", asked, width, p.url())
	f.Instead = p.url()
	return target.Odd{Target: t, Err: f}
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
