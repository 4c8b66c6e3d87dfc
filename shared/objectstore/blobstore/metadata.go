//go:build clouds

package blobstore

import (
	"strings"

	"gocloud.dev/blob"

	"github.com/thumbmill/thumbmill/shared/objectstore"
)

// spelt returns the name of a field without hyphens: Azure's names are letters and digits. Both services take 8 KB.
func spelt(field string) string { return strings.ReplaceAll(field, "-", "") }

func metadata(meta objectstore.Meta) map[string]string {
	all := map[string]string{}
	for field, value := range objectstore.Fields(meta, true) {
		all[spelt(field)] = value
	}
	return all
}

func readMetadata(found *blob.Attributes) objectstore.Meta {
	meta := objectstore.ReadFields(func(field string) string { return found.Metadata[spelt(field)] })
	meta.ContentType, meta.Disposition = found.ContentType, found.ContentDisposition
	return meta
}
