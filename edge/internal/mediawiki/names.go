package mediawiki

import (
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// abbreviated is a length in bytes. MediaWiki does not repeat a longer file name at the end of its
// thumbnails' names ($abbrvThreshold of FileRepo).
const abbreviated = 160

// canonicalEnd returns the end of a thumbnail's name, after the options. Only the format of an end
// matters. Most ends therefore become the end that MediaWiki writes: the file's name, followed by
// the format if the file has another one, or "thumbnail" for a long name. Some writers have
// stored thumbnails under other ends (knownEnds); these ends stay.
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

// ownEnd returns the file's name and the format. It does not repeat the extension: .JPG.jpg is .JPG.
func (p path) ownEnd(format string) string {
	if strings.EqualFold(p["ext"], format) {
		return p.original()
	}
	return p.original() + "." + format
}

// knownEnds returns the ends under which other writers store thumbnails. TimedMediaHandler's end
// begins with a dash. The end of a WebP can have the format that the WebP replaces before its own,
// as in .jpg.webp. Question marks may be missing, and so may the time of an old version.
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
