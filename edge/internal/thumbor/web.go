package thumbor

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"

	"github.com/thumbmill/thumbmill/shared/objectstore/httpstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// absolute is a URL; proxies that merge slashes leave it one behind the scheme.
var absolute = regexp.MustCompile(`^(?i:https?):/`)

// web reads an image that is another site's: a URL, or where all originals are such, a
// host and a path. ok is false where no loader reads it.
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

// reads reports whether an original is a URL that a loader here reads.
func (t *Parser) reads(at thumbnail.Location) bool {
	name, ok := t.web(at.Path)
	return at.IsURL() && ok && name == at.Path
}

// Folder is where an original's thumbnails are kept: the beginning of their paths, in
// the default container. A URL has no fitting name, and goes by a digest.
func (t *Parser) Folder(original thumbnail.Location) string {
	if original.IsURL() {
		sum := sha256.Sum256([]byte(original.Path))
		return t.settings.Store.Thumbnails.Prefix + "thumbor-http/" + base64.RawURLEncoding.EncodeToString(sum[:16]) + "/"
	}
	return t.settings.Store.Thumbnails.Prefix + "thumbor/" + original.Path + "/"
}
