package web

import (
	"mime"
	"path"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// contentType returns the media type of an original from its name. The system's table tells the types
// that thumbmill does not render.
func contentType(name string) string {
	if known := thumbnail.MediaTypeOf(name); known != "" {
		return known
	}
	if known := mime.TypeByExtension(strings.ToLower(path.Ext(name))); known != "" {
		return known
	}
	return "application/octet-stream"
}
