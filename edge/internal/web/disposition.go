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
	name := t.Spec.Original.Name()
	known, _ := thumbnail.ParseFormat(format)
	if own, ok := thumbnail.ParseFormat(name[strings.LastIndex(name, ".")+1:]); ok && own == known {
		return target.Disposition(name, "")
	}
	if known != thumbnail.FormatAuto {
		format = string(known)
	}
	return target.Disposition(name, format)
}
