//go:build clouds

package blobstore

import (
	"net/url"
	"strconv"
	"time"

	"gocloud.dev/blob"

	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// The metadata of a thumbnail, beside the services' own. Azure's names are letters and digits; both services take 8 KB.
const (
	metaETag     = "etag"
	metaXKey     = "xkey"
	metaSpec     = "spec" // with the number of a part
	metaDigest   = "specdigest"
	metaRules    = "rules"
	metaOriginal = "originalversion"
	metaRendered = "rendered"
	metaSides    = "sides"
)

func metadata(meta objectstore.Meta) map[string]string {
	all := map[string]string{
		metaETag: meta.ETag, metaXKey: url.QueryEscape(meta.XKey), metaDigest: meta.SpecDigest, metaRules: strconv.Itoa(meta.Rules),
		metaOriginal: url.QueryEscape(meta.OriginalVersion), metaRendered: meta.Rendered.UTC().Format(time.RFC3339), metaSides: meta.Sides.Text(),
	}
	for i, part := range objectstore.SpecParts(meta.Spec) {
		all[metaSpec+strconv.Itoa(i)] = part
	}
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	return all
}

func readMetadata(found *blob.Attributes) objectstore.Meta {
	get := func(name string) string { return found.Metadata[name] }
	plain := func(name string) string {
		text, err := url.QueryUnescape(get(name))
		if err != nil {
			return get(name)
		}
		return text
	}
	rules, _ := strconv.Atoi(get(metaRules))
	rendered, _ := time.Parse(time.RFC3339, get(metaRendered))
	return objectstore.Meta{
		ContentType: found.ContentType, ETag: get(metaETag), Disposition: found.ContentDisposition, XKey: plain(metaXKey),
		Spec:       objectstore.JoinSpec(func(i int) string { return get(metaSpec + strconv.Itoa(i)) }),
		SpecDigest: get(metaDigest), Rules: rules, OriginalVersion: plain(metaOriginal), Rendered: rendered,
		Sides: objectstore.ReadSides(get(metaSides)),
	}
}
