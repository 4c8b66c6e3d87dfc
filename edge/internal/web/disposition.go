package web

import (
	"strings"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// disposition returns Content-Disposition with the extension of the answer's content type, because
// the renderer chooses the format when the URL leaves it open. MediaWiki's names have the format
// already.
func disposition(t target.Target, contentType string) string {
	format, known := thumbnail.FormatOfMedia(contentType)
	if t.Hidden {
		return target.Disposition("image", string(format))
	}
	if t.Wiki || !known {
		return t.Disposition
	}
	name := t.Spec.Original.Name()
	if own, _ := thumbnail.ParseFormat(name[strings.LastIndex(name, ".")+1:]); own == format {
		return target.Disposition(name, "")
	}
	return target.Disposition(name, string(format))
}
