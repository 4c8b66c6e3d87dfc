package mediawiki

import (
	"cmp"
	"errors"
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

// parameters are the values in a query of thumb.php. They remember which of them have an effect.
type parameters struct {
	query url.Values
	used  map[string]bool
}

func newParameters(query url.Values) parameters {
	p := parameters{query, map[string]bool{}}
	for _, name := range []string{"f", "download", "r"} { // r means nothing in MediaWiki either
		p.used[name] = true
	}
	return p
}

// value returns the value of a parameter, the last one as in PHP. given is false for a parameter that is missing.
func (p parameters) value(name string) (value string, given bool) {
	values := p.query[name]
	if len(values) == 0 {
		return "", false
	}
	return values[len(values)-1], true
}

// use is value for a parameter that has an effect with any value.
func (p parameters) use(name string) (value string, given bool) {
	p.used[name] = true
	return p.value(name)
}

// on reports whether a parameter is neither missing nor empty nor 0.
func (p parameters) on(name string) bool {
	value, _ := p.use(name)
	return value != "" && value != "0"
}

// ignored returns the names of the parameters without an effect, sorted, at most maxIgnored.
func (p parameters) ignored() (names []string) {
	for _, name := range slices.Sorted(maps.Keys(p.query)) {
		if !p.used[name] && !isVersion(name, p.query[name]) {
			names = append(names, target.Printable(name))
		}
	}
	return names[:min(len(names), maxIgnored)]
}

// maxIgnored is the largest number of parameters that an answer names.
const maxIgnored = 10

// fromScript returns the address of the thumbnail in thumb.php's parameters. folder is the path before
// the script: the folder of a wiki in the settings, /<project>/<language>, or anything else when
// mediawiki.wikis has one wiki.
func (m *Parser) fromScript(host, folder string, p parameters) (address, error) {
	site, ok := m.site(host, folder)
	if !ok {
		return address{}, fault.New(fault.NoSuchURL, "the URL of thumb.php names no wiki: ask for /<project>/<language>/thumb.php").Remedied("give the wiki a path in mediawiki.wikis")
	}
	if relative, _ := p.use("rel404"); relative != "" {
		return site.address("/thumb/" + strings.TrimPrefix(relative, "/")), nil
	}
	name, _ := p.value("f")
	file := title(name)
	if file == "" {
		return address{}, fault.New(fault.NoSuchURL, "the parameter f of thumb.php is %q: set it to the name of a file", name)
	}
	folder = place(file, p, site.levels)
	thumb, err := thumbName(file, p)
	return site.address("/thumb/" + folder + file + "/" + thumb), err
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
func place(file string, p parameters, levels int) string {
	zone, name := "", file
	if p.on("archived") {
		zone = "archive/"
	} else if p.on("temp") {
		zone = "temp/"
	}
	if zone == "archive/" {
		if _, rest, ok := strings.Cut(file, "!"); ok {
			name = rest
		}
	}
	return zone + hashed(name, levels)
}

// thumbName returns the last segment of the thumbnail's path: the parameter thumbName, or a name made
// of the width and the options.
func thumbName(file string, p parameters) (string, error) {
	if name, _ := p.use("thumbName"); name != "" {
		return name, nil
	}
	asked, given := p.use("w")
	if !given {
		asked, _ = p.use("width")
	}
	width := strings.TrimLeft(strings.TrimSuffix(asked, "px"), "0")
	if width == "" || strings.Trim(width, "0123456789") != "" {
		return "", fault.New(fault.BadURL, "the parameter width of thumb.php is %q: set it to a number of pixels, 1 or more", asked)
	}
	o, err := options(file, p)
	return o.before + width + "px-" + o.behind + file + o.extension, err
}

// option has the parts of a thumbnail's name around the width, and the extension behind the file's name.
type option struct{ before, behind, extension string }

// options reads the parameters that the file's type has, as MediaWiki's handler of the type does. It refuses values
// that the handler refuses. A value that the handler takes for the default has no effect.
func options(file string, p parameters) (o option, err error) {
	o.extension = extension(file)
	switch thumbnail.TypeOf(file) {
	case thumbnail.TypeJPEG:
		o.before, err = quality(p)
	case thumbnail.TypePDF, thumbnail.TypeDjVu:
		o.before = cmp.Or(page(p), "page1-")
	case thumbnail.TypeTIFF:
		o.tiff(p)
	case thumbnail.TypeSVG:
		o.before = language(p)
	case thumbnail.TypeVideo:
		o.behind, err = moment(p)
	}
	return o, err
}

// quality returns the prefix of a JPEG's thumbnail. thumb.php knows one quality.
func quality(p parameters) (string, error) {
	const low = "low"
	value, given := p.use("quality")
	if given && value != low {
		return "", fault.New(fault.BadURL, "the parameter quality of thumb.php is %q: set it to %s, or leave it out", value, low)
	}
	if given {
		return "qlow-", nil
	}
	return "", nil
}

// page returns the prefix for the page of p or of page, or "" for the first page by default. p wins, as in thumb.php.
func page(p parameters) string {
	name := "page"
	if _, given := p.value("p"); given {
		name = "p"
	}
	value, _ := p.value(name)
	n, _ := strconv.Atoi(leadingDigits.FindString(strings.TrimLeft(value, " 0")))
	if n < 1 {
		return ""
	}
	p.used[name] = true
	return "page" + strconv.Itoa(n) + "-"
}

// leadingDigits matches the part of a text that PHP takes for a whole number.
var leadingDigits = regexp.MustCompile(`^[0-9]+`)

// tiff reads the page, and lossy as PagedTiffHandler does: any other value than these three means lossless.
func (o *option) tiff(p parameters) {
	o.before = page(p)
	lossy, given := p.use("lossy")
	switch {
	case !given:
	case slices.Contains([]string{"1", "true", "lossy"}, lossy):
		o.before = "lossy-" + cmp.Or(o.before, "page1-")
	default:
		o.before, o.extension = "lossless-"+cmp.Or(o.before, "page1-"), ".png"
	}
}

// language returns the prefix for the language of an SVG. MediaWiki's default is English.
func language(p parameters) string {
	value, _ := p.value("lang")
	if value = strings.ToLower(value); !languageCode.MatchString(value) {
		return ""
	}
	if p.used["lang"] = true; value == "en" {
		return ""
	}
	return "lang" + value + "-"
}

var languageCode = regexp.MustCompile(`^[0-9a-z-]+$`)

// moment returns the part of a video's thumbnail for thumbtime.
func moment(p parameters) (string, error) {
	value, given := p.use("thumbtime")
	if !given {
		return "", nil
	}
	seconds, ok := seekTime(value)
	if !ok {
		return "", fault.New(fault.BadURL, "the parameter thumbtime of thumb.php is %q: set it to seconds, or to hours, minutes and seconds between colons", value)
	}
	return "seek=" + strconv.Itoa(seconds) + "-", nil
}

// seekTime returns a moment of a video in whole seconds, 0 to maxSeek. As in TimedMediaHandler, text has seconds, or
// hours, minutes and seconds between colons, and a moment before the beginning is the beginning. ok is false for any other text.
func seekTime(text string) (seconds int, ok bool) {
	whole, parts := 0.0, strings.Split(text, ":")
	for _, part := range parts {
		n, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if !numeric.MatchString(part) || err != nil && !errors.Is(err, strconv.ErrRange) {
			return 0, false
		}
		whole = whole*60 + n
	}
	return int(max(0, min(whole, maxSeek))), len(parts) <= mostParts
}

// numeric matches PHP's decimal numbers.
var numeric = regexp.MustCompile(`^\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\s*$`)

const (
	maxSeek   = 1 << 30 // the latest moment of a video, in seconds
	mostParts = 3       // hours, minutes and seconds
)

// extension returns the extension that MediaWiki adds to a file's name in the names of its thumbnails;
// "" when the thumbnails have the file's own format. Thumbnails of WebP are PNGs.
func extension(file string) string {
	if thumbnail.TypeOf(file) == thumbnail.TypeWebP {
		return ".png"
	}
	shown := thumbnail.TypeOf(file).DefaultFormat(false)
	if own, _ := thumbnail.ParseFormat(file[strings.LastIndex(file, ".")+1:]); own == shown {
		return ""
	}
	return "." + string(shown)
}
