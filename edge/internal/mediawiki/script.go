package mediawiki

import (
	"cmp"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// fromScript returns the address of the thumbnail in thumb.php's parameters. folder is the path before
// the script: the folder of a wiki in the settings, /<project>/<language>, or anything else when
// mediawiki.wikis has one wiki.
func (m *Parser) fromScript(host, folder string, q url.Values) (address, error) {
	site, ok := m.site(host, folder)
	if !ok {
		return address{}, fault.New(fault.NoSuchURL, "the URL of thumb.php names no wiki: ask for /<project>/<language>/thumb.php").Remedied("give the wiki a path in mediawiki.wikis")
	}
	if relative := q.Get("rel404"); relative != "" {
		return site.address("/thumb/" + strings.TrimPrefix(relative, "/")), nil
	}
	file := title(q.Get("f"))
	if file == "" {
		return address{}, fault.New(fault.NoSuchURL, "the parameter f of thumb.php is %q: set it to the name of a file", q.Get("f"))
	}
	name, err := thumbName(file, q)
	if err != nil {
		return address{}, err
	}
	return site.address("/thumb/" + place(file, q, site.levels) + file + "/" + name), nil
}

// title returns a file's name as MediaWiki writes it. Spaces and slashes become single underscores, the
// underscores at the ends go, and the first letter becomes a capital.
func title(name string) string {
	name = strings.NewReplacer(" ", "_", "/", "_", "\\", "_").Replace(name)
	name = strings.Trim(underscores.ReplaceAllLiteralString(name, "_"), "_")
	first, size := utf8.DecodeRuneInString(name)
	if first == utf8.RuneError {
		return name
	}
	return strings.ToUpper(string(first)) + name[size:]
}

var underscores = regexp.MustCompile(`_{2,}`)

// site returns the wiki of a thumb.php in a folder of a host; ok is false when the URL names no wiki.
func (m *Parser) site(host, folder string) (site, bool) {
	wiki := strings.TrimSuffix(folder, "/w")
	found, ok := m.sites.withScript(host, folder)
	if ok && found.script != "" || strings.Count(wiki, "/") != 2 {
		return found, ok
	}
	name := strings.TrimPrefix(wiki, "/")
	return site{wiki: name, prefix: wiki, levels: m.sites.levels(name)}, true
}

// place returns the zone and the folders of a file. The folders are a hash of the name; the hash of
// an old version leaves out the leading time.
func place(file string, q url.Values, levels int) string {
	zone, name := "", file
	if on(q, "archived") {
		zone = "archive/"
	} else if on(q, "temp") {
		zone = "temp/"
	}
	if zone == "archive/" {
		if _, rest, ok := strings.Cut(file, "!"); ok {
			name = rest
		}
	}
	return zone + hashed(name, levels)
}

func on(q url.Values, name string) bool {
	value := q.Get(name)
	return value != "" && value != "0"
}

// thumbName returns the last segment of the thumbnail's path: the parameter thumbName, or a name made
// of the width, page and language.
func thumbName(file string, q url.Values) (string, error) {
	if name := q.Get("thumbName"); name != "" {
		return name, nil
	}
	width := strings.TrimLeft(strings.TrimSuffix(cmp.Or(q.Get("w"), q.Get("width")), "px"), "0")
	if width == "" || strings.Trim(width, "0123456789") != "" {
		return "", fault.New(fault.BadURL, "the parameter width of thumb.php is %q: set it to a number of pixels, 1 or more", cmp.Or(q.Get("w"), q.Get("width")))
	}
	if quality := q.Get("quality"); quality != "" && quality != lowQuality && thumbnail.TypeOf(file) == thumbnail.TypeJPEG {
		return "", fault.New(fault.BadURL, "the parameter quality of thumb.php is %q: set it to %s, or leave it out", quality, lowQuality)
	}
	before, behindWidth, extension := options(file, q)
	return before + width + "px-" + behindWidth + file + extension, nil
}

// lowQuality is the only value of thumb.php's parameter quality, which JPEGs have.
const lowQuality = "low"

// options returns the parts of a thumbnail's name before and behind the width, and the extension. It reads
// only the parameters that the file's type has.
func options(file string, q url.Values) (before, behindWidth, extension string) {
	extension = behind(file)
	switch thumbnail.TypeOf(file) {
	case thumbnail.TypeJPEG:
		if q.Get("quality") == lowQuality {
			before = "qlow-"
		}
	case thumbnail.TypePDF, thumbnail.TypeDjVu:
		before = "page" + cmp.Or(number(q, "p", "page"), "1") + "-"
	case thumbnail.TypeTIFF:
		if page := number(q, "p", "page"); page != "" {
			before = "page" + page + "-"
		}
		switch q.Get("lossy") { // as PagedTiffHandler reads it
		case "1", "true", "lossy":
			before = "lossy-" + cmp.Or(before, "page1-")
		case "0", "false", "lossless":
			before, extension = "lossless-"+cmp.Or(before, "page1-"), ".png"
		}
	case thumbnail.TypeSVG:
		if lang := strings.ToLower(q.Get("lang")); lang != "" && lang != "en" { // MediaWiki's default
			before = "lang" + lang + "-"
		}
	case thumbnail.TypeVideo:
		if seconds, ok := seekTime(q.Get("thumbtime")); ok {
			behindWidth = "seek=" + strconv.Itoa(seconds) + "-"
		}
	}
	return before, behindWidth, extension
}

// number returns the first of the parameters that is a number of 1 or more, or "".
func number(q url.Values, names ...string) string {
	for _, name := range names {
		if n, err := strconv.Atoi(q.Get(name)); err == nil && n > 0 {
			return strconv.Itoa(n)
		}
	}
	return ""
}

// seekTime returns a moment of a video in whole seconds. As in TimedMediaHandler, text has seconds, or
// hours, minutes and seconds between colons. ok is false for any other text.
func seekTime(text string) (seconds int, ok bool) {
	whole := 0.0
	for part := range strings.SplitSeq(text, ":") {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || !(n >= 0) || n > maxSeek {
			return 0, false
		}
		whole = whole*60 + n
	}
	return int(whole), whole <= maxSeek
}

// maxSeek is the latest moment of a video, in seconds.
const maxSeek = 1 << 30

// understood returns the parameters of thumb.php that have a meaning for the file, and r, which means
// nothing in MediaWiki either.
func understood(file string) []string {
	all := []string{"f", "w", "width", "archived", "temp", "thumbName", "rel404", "download", "r"}
	switch thumbnail.TypeOf(file) {
	case thumbnail.TypeJPEG:
		return append(all, "quality")
	case thumbnail.TypePDF, thumbnail.TypeDjVu:
		return append(all, "p", "page")
	case thumbnail.TypeTIFF:
		return append(all, "p", "page", "lossy")
	case thumbnail.TypeSVG:
		return append(all, "lang")
	case thumbnail.TypeVideo:
		return append(all, "thumbtime")
	}
	return all
}

// ignored returns the parameters of thumb.php that change nothing for this file, sorted, at most
// maxIgnored.
func ignored(q url.Values) (names []string) {
	known := understood(q.Get("f"))
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(known, name) {
			names = append(names, target.Printable(name))
		}
	}
	return names[:min(len(names), maxIgnored)]
}

// maxIgnored is the largest number of parameters that an answer names.
const maxIgnored = 10

// behind returns the extension that MediaWiki adds to a file's name in the names of its thumbnails;
// "" when the thumbnails have the file's own format. Thumbnails of WebP are PNGs.
func behind(file string) string {
	if thumbnail.TypeOf(file) == thumbnail.TypeWebP {
		return ".png"
	}
	shown := thumbnail.TypeOf(file).DefaultFormat(false)
	if own, _ := thumbnail.ParseFormat(file[strings.LastIndex(file, ".")+1:]); own == shown {
		return ""
	}
	return "." + string(shown)
}
