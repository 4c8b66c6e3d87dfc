package mediawiki

import (
	"net/url"
	"time"
)

// stamp is the layout of MediaWiki's times (TS_MW), which are in UTC.
const stamp = "20060102150405"

// versionOf returns the time of the upload that a query names, or zero. MediaWiki appends this time to
// the URLs of files: ?20261128141510.
func versionOf(query url.Values) time.Time {
	for name, values := range query {
		if isVersion(name, values) {
			at, _ := time.Parse(stamp, name)
			return at
		}
	}
	return time.Time{}
}

// isVersion reports whether a parameter of a query is the time of an upload.
func isVersion(name string, values []string) bool {
	_, err := time.Parse(stamp, name)
	return err == nil && len(name) == len(stamp) && len(values) == 1 && values[0] == ""
}
