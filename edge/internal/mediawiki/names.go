package mediawiki

import (
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// abbreviated is the length in bytes above which MediaWiki does not repeat a file's
// name at the end of its thumbnails' names ($abbrvThreshold of FileRepo).
const abbreviated = 160

// canonicalEnd is the end of a thumbnail's name behind its options. Nothing but its
// format means anything, so that all others become the one that MediaWiki writes:
// the file's name, with the format behind it where that is another one, or
// "thumbnail" where the name is long. Some writers have other ends, under which
// thumbnails are stored already; they are kept.
func (p path) canonicalEnd() string {
	format := strings.ToLower(p["format"])
	if len(p.original()) > abbreviated {
		return "thumbnail." + format
	}
	for _, known := range p.knownEnds(format) {
		if p["end"] == known {
			return known
		}
	}
	return p.ownEnd(format)
}

// ownEnd does not repeat the extension: .JPG.jpg is .JPG.
func (p path) ownEnd(format string) string {
	if strings.EqualFold(p["ext"], format) {
		return p.original()
	}
	return p.original() + "." + format
}

// knownEnds of a file: TimedMediaHandler's begins with a dash; a WebP's can have the
// format that it stands in for before its own; a question mark may be missing, and so
// may an old version's time.
func (p path) knownEnds(format string) []string {
	own := p.ownEnd(format)
	ends := []string{own, "-" + own, strings.ReplaceAll(own, "?", "")}
	if _, name, ok := strings.Cut(own, "!"); ok {
		ends = append(ends, name)
	}
	for _, instead := range []thumbnail.Format{thumbnail.FormatJPEG, thumbnail.FormatPNG} {
		ends = append(ends, p.original()+"."+string(instead)+"."+format)
	}
	return ends
}
