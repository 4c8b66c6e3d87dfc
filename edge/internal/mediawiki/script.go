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

// fromScript gives the address that thumb.php's parameters mean. folder is what stands
// before the script's name: a wiki's of the settings, /<project>/<language>, or anything where
// the settings name one wiki.
func (m *Parser) fromScript(host, folder string, q url.Values) (address, error) {
	site, ok := m.site(host, folder)
	if !ok {
		return address{}, fault.New(fault.NoSuchURL, "which wiki is meant? Ask for /<project>/<language>/thumb.php, or set mediawiki.wikis")
	}
	if relative := q.Get("rel404"); relative != "" {
		return site.address("/thumb/" + strings.TrimPrefix(relative, "/")), nil
	}
	file := title(q.Get("f"))
	if file == "" {
		return address{}, fault.New(fault.NoSuchURL, "thumb.php needs f, the name of a file")
	}
	name, err := thumbName(file, q)
	if err != nil {
		return address{}, err
	}
	return site.address("/thumb/" + place(file, q, site.levels) + file + "/" + name), nil
}

// title is a file's name as MediaWiki writes it: spaces are underscores, one at a time and none
// at the ends, and the first letter is a capital one. A slash is no part of a name.
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

// site is the wiki of a thumb.php.
func (m *Parser) site(host, folder string) (site, bool) {
	wiki := strings.TrimSuffix(folder, "/w")
	found, ok := m.sites.withScript(host, folder)
	if ok && found.script != "" || strings.Count(wiki, "/") != 2 {
		return found, ok
	}
	name := strings.TrimPrefix(wiki, "/")
	return site{wiki: name, prefix: wiki, levels: m.sites.levels(name)}, true
}

// place is the zone and the folders of a file. The time in front of an old version's
// name is not part of what is hashed.
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

// thumbName is the last segment: given whole, or by its parts.
func thumbName(file string, q url.Values) (string, error) {
	if name := q.Get("thumbName"); name != "" {
		return name, nil
	}
	width := strings.TrimLeft(strings.TrimSuffix(cmp.Or(q.Get("w"), q.Get("width")), "px"), "0")
	if width == "" || strings.Trim(width, "0123456789") != "" {
		return "", fault.New(fault.BadURL, "thumb.php needs width, a number of pixels that is more than 0")
	}
	if quality := q.Get("quality"); quality != "" && quality != lowQuality && thumbnail.TypeOf(file) == thumbnail.TypeJPEG {
		return "", fault.New(fault.BadURL, "%q is not a quality: thumb.php takes %s, or none", quality, lowQuality)
	}
	before, behindWidth, extension := options(file, q)
	return before + width + "px-" + behindWidth + file + extension, nil
}

// lowQuality is the one value of thumb.php's quality, for JPEGs.
const lowQuality = "low"

// options are what stands around the width in a thumbnail's name, of those parameters that the
// file's type has, and the extension.
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

// number is the first of the parameters that is a number of 1 or more; "" without any.
func number(q url.Values, names ...string) string {
	for _, name := range names {
		if n, err := strconv.Atoi(q.Get(name)); err == nil && n > 0 {
			return strconv.Itoa(n)
		}
	}
	return ""
}

// seekTime reads a moment of a video, as TimedMediaHandler does: seconds, or hours, minutes and
// seconds between colons. Fractions of a second are dropped.
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

// maxSeek bounds the moment of a video, in seconds.
const maxSeek = 1 << 30

// understood are thumb.php's parameters that mean something here, or nothing in MediaWiki (r).
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

// ignored are the parameters of thumb.php that change nothing for this file, in order.
func ignored(q url.Values) (names []string) {
	known := understood(q.Get("f"))
	for _, name := range slices.Sorted(maps.Keys(q)) {
		if !slices.Contains(known, name) {
			names = append(names, target.Printable(name))
		}
	}
	return names[:min(len(names), maxIgnored)]
}

// maxIgnored bounds the parameters that an answer names.
const maxIgnored = 10

// behind is the extension that MediaWiki writes behind a file's name in those of its
// thumbnails: none where the file is of the format that it is shown in. WebP is shown as PNG.
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
