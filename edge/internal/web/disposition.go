package web

import (
	"strings"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// disposition names the file as what it is: where the URL left the format open, the
// renderer chose it. MediaWiki's names say it themselves.
func disposition(t target.Target, contentType string) string {
	format := strings.TrimPrefix(strings.TrimPrefix(contentType, "image/"), "application/")
	if t.Wiki || format == "" {
		return t.Disposition
	}
	path := t.Spec.Original.Path
	known, _ := thumbnail.ParseFormat(format)
	if own, ok := thumbnail.ParseFormat(path[strings.LastIndex(path, ".")+1:]); ok && own == known {
		return target.Disposition(path, "")
	}
	if known != thumbnail.FormatAuto {
		format = string(known)
	}
	return target.Disposition(path, format)
}
