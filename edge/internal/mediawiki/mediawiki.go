// Package mediawiki understands MediaWiki's paths of files, as Wikimedia's Varnish,
// Swift middleware and Thumbor plugins do together:
//
//	/<project>/<language>/thumb/[temp/|archive/]<x>/<xy>/<name>.<ext>/
//	    [qlow-][lossy-][lossless-][page<n>-][lang<code>-]<width>px-[seek=<n>-]<end>.<format>
//	/<project>/<language>/[transcoded/][temp/|archive/]<x>/<xy>/<name>
//	/math/…, /score/…, /phonos/…, /<project>/<language>/{math,timeline}/…
//	…/thumb.php?f=<name>&width=<pixels>&…
//
// Thumbnails are rendered; all else is served as it is stored, and never rendered.
// What means the same is made the same before it is looked at: double slashes,
// percent-encoding, capitals of the last segment, and its end, which repeats the
// file's name (names.go).
package mediawiki

import (
	"crypto/md5" //nolint:gosec // MediaWiki's shards
	"encoding/hex"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/thumbmill/thumbmill/edge/internal/filters"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Name of the grammar, for metrics.
const Name = "mediawiki"

const (
	wiki  = `^/(?P<project>[^-/]+)/(?P<language>[^/]+)/`
	zones = `(?:(?P<zone>temp|archive)/)?(?P<shard1>[0-9a-zA-Z]+)/(?P<shard2>[0-9a-zA-Z]+)/`
)

// Parser turns paths into targets. It is safe for concurrent use.
type Parser struct {
	settings  settings.Settings
	filters   *filters.Language
	thumbnail *regexp.Regexp
	stored    []storedForm
}

// New makes a parser.
func New(s settings.Settings) *Parser {
	return &Parser{
		settings: s, filters: filters.New(s.Thumbor), stored: storedForms(),
		thumbnail: regexp.MustCompile(wiki + `thumb/` + zones + `(?P<name>[^/]+)\.(?P<ext>[^/.]+)/` +
			`(?P<options>(?i:(?P<qlow>qlow-)?(?:lossy-)?(?:lossless-)?(?:page(?P<page>\d+)-)?(?:lang(?P<lang>[0-9a-z-]+)-)?` +
			`(?P<width>\d+)px-(?:seek(?:=|%3d)(?P<seek>\d+)-)?))(?P<end>[^/]+\.(?P<format>[^/.]+))$`),
	}
}

// path is what the grammar finds in a path.
type path map[string]string

var slashes = regexp.MustCompile(`/{2,}`)

// Parse reads a path as it was received, percent-encoded, and the query behind it.
func (m *Parser) Parse(raw string, query url.Values) (target.Target, error) {
	decoded, err := url.PathUnescape(raw)
	if err != nil || !utf8.ValidString(decoded) {
		return target.Target{}, fault.New(fault.BadURL, "the URL's percent-encoding is not valid UTF-8")
	}
	decoded = slashes.ReplaceAllString(decoded, "/")
	if wiki, ok := strings.CutSuffix(decoded, "/thumb.php"); ok {
		if decoded, err = m.fromScript(wiki, query); err != nil {
			return target.Target{}, err
		}
	}
	t, err := m.parseDecoded(m.own(decoded))
	if err == nil {
		err = t.Blacklisted(m.settings)
	}
	return t, err
}

func (m *Parser) parseDecoded(decoded string) (target.Target, error) {
	if p := path(target.Parts(m.thumbnail, decoded)); p != nil {
		return m.thumb(p)
	}
	return m.asStored(decoded)
}

// images is where MediaWiki keeps its files when nobody says otherwise.
var images = regexp.MustCompile(`^(?:/w)?/images/`)

// own gives the path of the settings' wiki its project and language.
func (m *Parser) own(decoded string) string {
	if m.settings.MediaWiki.Wiki == "" {
		return decoded
	}
	return images.ReplaceAllLiteralString(decoded, "/"+m.settings.MediaWiki.Wiki+"/")
}

// zeros in front of a number mean nothing.
var zeros = regexp.MustCompile(`(^|[^0-9])0+([0-9])`)

// thumb is a thumbnail, to be rendered when it is not there.
func (m *Parser) thumb(p path) (target.Target, error) {
	p["options"] = zeros.ReplaceAllString(strings.ToLower(p["options"]), "$1$2")
	p["end"] = p.canonicalEnd()
	spec, err := m.spec(p)
	if err != nil {
		return target.Target{}, err
	}
	redirect, err := m.sized(&spec, p)
	if err != nil {
		return target.Target{}, err
	}
	t := target.Target{
		Spec: spec, Key: m.key(p), Kin: m.kin(p), XKey: "File:" + p.original(), Redirect: redirect,
		Disposition: target.Disposition(p.original(), strings.ToLower(p["format"])),
		Private:     p["zone"] == "temp" || m.private(p), MaxAge: m.settings.Edge.MaxAge, Wiki: true,
	}
	if !objectstore.Valid(t.Spec.Original) || !objectstore.Valid(t.Key) {
		return t, fault.New(fault.BadURL, "the URL names no file that could exist")
	}
	return t, target.CheckSize(spec, m.settings.Edge)
}

func (p path) original() string { return p["name"] + "." + p["ext"] }

func (m *Parser) spec(p path) (thumbnail.Spec, error) {
	s := target.Base(m.settings.Render)
	s.Original = m.original(p)
	s.Type = thumbnail.TypeOf(p.original())
	format, ok := thumbnail.ParseFormat(p["format"])
	if !ok || !s.Type.Converts(format) {
		return s, fault.New(fault.BadURL, "a thumbnail of a .%s file cannot have the format .%s", p["ext"], p["format"])
	}
	s.Format = format
	if p["qlow"] != "" {
		s.Quality = m.settings.Render.QualityLow
		delete(s.Qualities, thumbnail.FormatJPEG) // which never was another than the common one
	}
	if s.Type == thumbnail.TypeJPEG {
		m.filters.Apply(&s, m.settings.Render.DefaultFiltersJPEG, noPicture)
		s.Format = format // a filter of the site's does not change what the URL names
	}
	s.Lang = strings.ToLower(p["lang"])
	for field, text := range map[*int]string{&s.Width: p["width"], &s.Page: p["page"]} {
		n, err := strconv.Atoi("0" + text)
		if err != nil {
			return s, fault.New(fault.BadURL, "%s is too large a number", text)
		}
		*field = n
	}
	if p["seek"] != "" {
		n, err := strconv.Atoi(p["seek"])
		if err != nil {
			return s, fault.New(fault.BadURL, "%s is too large a number", p["seek"])
		}
		s.Page, s.FirstFrame = n, n == 0
	}
	if s.Width == 0 {
		return s, fault.New(fault.BadURL, "a thumbnail is at least one pixel wide")
	}
	return s, nil
}

// noPicture: the site's filters are applied to all JPEGs, private ones too.
func noPicture(string) (thumbnail.Location, bool) { return thumbnail.Location{}, false }

// container is the name of a zone's container, with its shard where it is sharded.
func (m *Parser) container(p path, zone, shard string) string {
	return m.sharded(p["project"]+"-"+p["language"]+"-local-"+zone, shard)
}

func (m *Parser) sharded(container, shard string) string {
	if slices.Contains(m.settings.Store.ShardedContainers, container) {
		return container + "." + shard
	}
	return container
}

// original: a temporary file is sharded by its name without the time in front.
func (m *Parser) original(p path) thumbnail.Location {
	switch p["zone"] {
	case "temp":
		_, name, _ := strings.Cut(p.original(), "!")
		sum := md5.Sum([]byte(name)) //nolint:gosec // MediaWiki's shards
		hash := hex.EncodeToString(sum[:])
		return thumbnail.Location{
			Container: m.container(p, "temp", hash[:2]),
			Path:      m.settings.Store.Originals.Prefix + hash[:1] + "/" + hash[:2] + "/" + p.original(),
		}
	case "archive":
		return thumbnail.Location{Container: m.container(p, "public", p["shard2"]), Path: m.settings.Store.Originals.Prefix + "archive/" + p.shards() + p.original()}
	}
	return thumbnail.Location{Container: m.container(p, "public", p["shard2"]), Path: m.settings.Store.Originals.Prefix + p.shards() + p.original()}
}

func (p path) shards() string { return p["shard1"] + "/" + p["shard2"] + "/" }

func (m *Parser) key(p path) thumbnail.Location {
	zone, folder := "thumb", ""
	switch p["zone"] {
	case "temp":
		zone, folder = "temp", "thumb/"
	case "archive":
		folder = "archive/"
	}
	return thumbnail.Location{
		Container: m.container(p, zone, p["shard2"]),
		Path:      m.settings.Store.Thumbnails.Prefix + folder + p.shards() + p.original() + "/" + p["options"] + p["end"],
	}
}

// kin: the width stands where the options have it.
func (m *Parser) kin(p path) target.Kin {
	at := lastWidth.FindStringSubmatchIndex(p["options"])
	behind := "px-" + p["options"][at[2]:at[3]] + p["end"]
	folder := strings.TrimSuffix(m.key(p).Path, p["options"]+p["end"])
	return target.Kin{Before: folder + p["options"][:at[0]], Behind: behind}
}

// private: the settings name the containers of originals, without shards.
func (m *Parser) private(p path) bool {
	return slices.Contains(m.settings.Store.PrivateContainers, p["project"]+"-"+p["language"]+"-local-public")
}
