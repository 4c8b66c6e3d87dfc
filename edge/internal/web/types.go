package web

import (
	"mime"
	"path"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// contentType of an original by its name: of the types that are rendered, and of others
// what the system's table says.
func contentType(name string) string {
	if known := thumbnail.MediaTypeOf(name); known != "" {
		return known
	}
	if known := mime.TypeByExtension(strings.ToLower(path.Ext(name))); known != "" {
		return known
	}
	return "application/octet-stream"
}
