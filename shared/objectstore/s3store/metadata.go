package s3store

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// The metadata of a thumbnail, beside S3's own headers. S3 takes only ASCII, and 2 KB together.
const (
	metaETag     = "Etag"
	metaXKey     = "Xkey"
	metaSpec     = "Spec-" // with the number of a part
	metaDigest   = "Spec-Digest"
	metaRules    = "Rules"
	metaOriginal = "Original-Version"
	metaRendered = "Rendered"
	metaSides    = "Sides"
)

// maxMetadata is S3's 2 KB less the names of a spec's parts. A spec that does not fit is left out; its
// digest remains.
const maxMetadata = 1900

func userMetadata(meta objectstore.Meta) map[string]string {
	all := map[string]string{
		metaETag: meta.ETag, metaXKey: url.QueryEscape(meta.XKey), metaDigest: meta.SpecDigest,
		metaRules: strconv.Itoa(meta.Rules), metaOriginal: url.QueryEscape(meta.OriginalVersion),
		metaRendered: meta.Rendered.UTC().Format(time.RFC3339),
	}
	if sides := meta.Sides.Text(); sides != "" {
		all[metaSides] = sides
	}
	size := len(meta.Spec)
	for name, value := range all {
		size += len(name) + len(value)
	}
	if size > maxMetadata {
		return all
	}
	for i, part := range objectstore.SpecParts(meta.Spec) {
		all[metaSpec+strconv.Itoa(i)] = part
	}
	return all
}

func info(o minio.ObjectInfo) objectstore.Info {
	told := map[string]string{}
	for name, value := range o.UserMetadata { // services spell names differently
		told[strings.ToLower(name)] = value
	}
	get := func(name string) string { return told[strings.ToLower(name)] }
	plain := func(name string) string {
		if text, err := url.QueryUnescape(get(name)); err == nil {
			return text
		}
		return get(name)
	}
	rules, _ := strconv.Atoi(get(metaRules))
	rendered, _ := time.Parse(time.RFC3339, get(metaRendered))
	found := objectstore.Info{
		Size: o.Size, Modified: o.LastModified, Version: o.ETag,
		Meta: objectstore.Meta{
			ContentType: o.ContentType, ETag: get(metaETag), Disposition: o.Metadata.Get("Content-Disposition"), XKey: plain(metaXKey),
			Spec:       objectstore.JoinSpec(func(i int) string { return get(metaSpec + strconv.Itoa(i)) }),
			SpecDigest: get(metaDigest), Rules: rules, OriginalVersion: plain(metaOriginal), Rendered: rendered,
			Sides: objectstore.ReadSides(get(metaSides)),
		},
	}
	if isMD5(o) {
		found.MD5 = o.ETag
	}
	if found.Meta.ETag == "" {
		found.Meta.ETag = o.ETag
	}
	return found
}

// isMD5 reports whether the ETag is the MD5 of the content. It is not for uploads in parts, and not for
// encryption with own keys.
func isMD5(o minio.ObjectInfo) bool {
	encryption := o.Metadata.Get("X-Amz-Server-Side-Encryption")
	customer := o.Metadata.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm")
	return len(o.ETag) == 32 && (encryption == "" || encryption == "AES256") && customer == ""
}
