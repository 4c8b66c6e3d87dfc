package thumbor

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"

	"github.com/thumbmill/thumbmill/shared/objectstore/httpstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// absolute matches a URL. Proxies that merge slashes leave one slash after the scheme.
var absolute = regexp.MustCompile(`^(?i:https?):/`)

// web returns the canonical URL of another site's image: a URL, or a host and a path when all
// originals are on other sites. ok is false when no loader reads the URL.
func (t *Parser) web(image string) (name string, ok bool) {
	s := t.settings.Store
	scheme := s.Originals.Scheme()
	if !absolute.MatchString(image) {
		if _, ok := s.Loader(image); ok || scheme == "" {
			return "", false
		}
		image = scheme + image
	}
	name, err := httpstore.Canonical(image)
	if err != nil {
		return "", false
	}
	if l, ok := s.Loader(name); ok {
		return name, l.Bucket.Scheme() != ""
	}
	return name, scheme != ""
}

// Reads reports whether a text is a URL that a loader reads.
func (t *Parser) Reads(text string) bool {
	_, ok := t.web(text)
	return ok && absolute.MatchString(text)
}

// reads reports whether an original is a URL that a loader reads.
func (t *Parser) reads(at thumbnail.Location) bool {
	name, ok := t.web(at.Path)
	return at.IsURL() && ok && name == at.Path
}

// Folder returns the beginning of the paths of an original's thumbnails, in the default container. For
// a URL it has a digest, because a URL is not a valid path.
func (t *Parser) Folder(original thumbnail.Location) string {
	if original.IsURL() {
		sum := sha256.Sum256([]byte(original.Path))
		return t.settings.Store.Thumbnails.Prefix + "thumbor-http/" + base64.RawURLEncoding.EncodeToString(sum[:16]) + "/"
	}
	return t.settings.Store.Thumbnails.Prefix + "thumbor/" + original.Path + "/"
}
