package web

import (
	"mime"
	"path"
	"strings"
)

// contentType of an original by its name. What the system's table may lack, and what
// MediaWiki's wikis hold, is told here.
func contentType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	switch ext {
	case ".jpg", ".jpeg", ".jpe":
		return "image/jpeg"
	case ".tif", ".tiff":
		return "image/tiff"
	case ".djvu", ".djv":
		return "image/vnd.djvu"
	case ".xcf":
		return "image/x-xcf"
	case ".ogv":
		return "video/ogg"
	case ".oga", ".ogg", ".opus":
		return "audio/ogg"
	case ".webm":
		return "video/webm"
	case ".stl":
		return "model/stl"
	}
	if known := mime.TypeByExtension(ext); known != "" {
		return known
	}
	return "application/octet-stream"
}
