package web

import (
	"strings"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// disposition names the file as what it is: where the URL left the format open, the
// renderer chose it. MediaWiki's names say it themselves.
func disposition(t target.Target, contentType string) string {
	format, known := thumbnail.FormatOfMedia(contentType)
	if t.Wiki || !known {
		return t.Disposition
	}
	name := t.Spec.Original.Name()
	if own, _ := thumbnail.ParseFormat(name[strings.LastIndex(name, ".")+1:]); own == format {
		return target.Disposition(name, "")
	}
	return target.Disposition(name, string(format))
}
