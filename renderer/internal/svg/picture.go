package svg

import "strings"

// signatures are the first base64 characters of pictures, with their media types.
var signatures = []struct{ begins, mediaType string }{
	{"/9j/", "image/jpeg"}, {"iVBORw0KGgo", "image/png"}, {"R0lGOD", "image/gif"}, {"UklGR", "image/webp"},
}

// mendPicture gives a picture in a data URI the media type that its bytes tell, which librsvg trusts.
func (m *mender) mendPicture(t tag, _ *edit) tag {
	for _, a := range t.attributes {
		head, data, ok := strings.Cut(t.text[a.from:a.to], ",")
		mediaType := strings.ToLower(strings.Trim(head, space))
		if a.name != "href" || !ok || !strings.HasPrefix(mediaType, "data:") || !strings.HasSuffix(mediaType, ";base64") {
			continue
		}
		data = strings.TrimLeft(data, space)
		for _, s := range signatures {
			right := "data:" + s.mediaType + ";base64"
			if strings.HasPrefix(data, s.begins) && mediaType != right {
				return readTag(t.with(a, right+","+data))
			}
		}
	}
	return t
}
