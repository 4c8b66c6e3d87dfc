package objectstore

import (
	"net/url"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Origin names the loader and the host that an original comes from: originals of one origin share
// their bounds. A store of several origins has the method Origin. The name is "" for the only origin of
// a store.
func Origin(s Store, at thumbnail.Location) string {
	if several, ok := s.(interface {
		Origin(at thumbnail.Location) string
	}); ok {
		return several.Origin(at)
	}
	return HostOf(at)
}

// HostOf returns the host of an original's URL, or "" for an original whose name is not a URL.
func HostOf(at thumbnail.Location) string {
	if !at.IsURL() {
		return ""
	}
	u, err := url.Parse(at.Path)
	if err != nil {
		return ""
	}
	return u.Host
}
