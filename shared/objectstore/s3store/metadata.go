package s3store

import (
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// maxMetadata is S3's 2 KB less the names of a spec's parts. A spec that does not fit is left out; its
// digest remains.
const maxMetadata = 1900

func userMetadata(meta objectstore.Meta) map[string]string {
	size := len(meta.Spec)
	for name, value := range objectstore.Fields(meta, false) {
		size += len(name) + len(value)
	}
	return objectstore.Fields(meta, size <= maxMetadata)
}

func info(o minio.ObjectInfo) objectstore.Info {
	told := map[string]string{}
	for name, value := range o.UserMetadata { // services spell names differently
		told[strings.ToLower(name)] = value
	}
	meta := objectstore.ReadFields(func(field string) string { return told[field] })
	meta.ContentType, meta.Disposition = o.ContentType, o.Metadata.Get("Content-Disposition")
	found := objectstore.Info{Size: o.Size, Modified: o.LastModified, Version: o.ETag, Meta: meta}
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
