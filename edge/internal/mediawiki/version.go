package mediawiki

import (
	"net/url"
	"time"
)

// stamp is how MediaWiki writes a time (TS_MW), in UTC.
const stamp = "20060102150405"

// versionOf is the time of the upload that a query names, as MediaWiki appends it to the URLs
// of files: ?20261128141510. It is zero of other queries.
func versionOf(query url.Values) time.Time {
	for name, values := range query {
		if len(name) != len(stamp) || len(values) != 1 || values[0] != "" {
			continue
		}
		if at, err := time.Parse(stamp, name); err == nil {
			return at
		}
	}
	return time.Time{}
}
