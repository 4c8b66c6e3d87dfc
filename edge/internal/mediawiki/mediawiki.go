// Package mediawiki reads MediaWiki's URL paths of files, as Wikimedia's Varnish, Swift middleware
// and Thumbor plugins do together:
//
//	/<project>/<language>/thumb/[temp/|archive/]<x>/<xy>/<name>.<ext>/
//	    [qlow-][lossy-][lossless-][page<n>-][lang<code>-]<width>px-[seek=<n>-]<end>.<format>
//	/<project>/<language>/[transcoded/][temp/|archive/]<x>/<xy>/<name>
//	/math/…, /score/…, /phonos/…, /<project>/<language>/{math,timeline}/…
//	…/thumb.php?f=<name>&width=<pixels>&…
//
// The first form names thumbnails, which thumbmill renders. The others name files, which thumbmill
// serves as they are stored. The parser gives different spellings of one thumbnail the same key: it
// normalizes double slashes, percent-encoding, capitals of the last segment, and the end of the last
// segment, which repeats the file's name (names.go).
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
	"github.com/thumbmill/thumbmill/edge/internal/syntax"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Name is the grammar's label in metrics.
const Name = "mediawiki"

const wiki = `^/(?P<project>[^-/]+)/(?P<language>[^/]+)/`

// Parser turns paths into targets. It is safe for concurrent use.
type Parser struct {
	settings settings.Settings
	filters  *filters.Language
	sites    sites
	forms    [maxLevels + 1]forms // by the number of folders above a file
}

// maxLevels is the largest number of folders above a file (settings.Wiki).
const maxLevels = 2

// forms has the expressions for the paths of a wiki's files.
type forms struct {
	thumbnail *regexp.Regexp
	stored    []storedForm
}

func newForms(levels int) forms {
	return forms{
		stored: storedForms(levels),
		thumbnail: regexp.MustCompile(wiki + `thumb/(?:(?P<zone>temp|archive)/)?(?P<shards>(?:[0-9a-zA-Z]+/){` + strconv.Itoa(levels) + `})` +
			`(?P<name>[^/]+)\.(?P<ext>[^/.]+)/` +
			`(?P<options>(?i:(?P<qlow>qlow-)?(?:lossy-)?(?:lossless-)?(?:page(?P<page>\d+)-)?(?:lang(?P<lang>[0-9a-z-]+)-)?` +
			`(?P<width>\d+)px-(?:seek(?:=|%3d)(?P<seek>\d+)-)?))(?P<end>[^/]+\.(?P<format>[^/.]+))$`),
	}
}

// New returns a parser.
func New(s settings.Settings) *Parser {
	dialect := s.Thumbor
	dialect.Filters = nil // thumbor.filters limits URLs, and the filters here are the operators'
	m := &Parser{settings: s, filters: filters.New(dialect), sites: newSites(s.MediaWiki)}
	for levels := range m.forms {
		m.forms[levels] = newForms(levels)
	}
	return m
}

// path has the parts of a URL path by the names of the expressions' groups.
type path map[string]string

var slashes = regexp.MustCompile(`/{2,}`)

// Parse is ParseAt for a host that has no wikis of its own.
func (m *Parser) Parse(raw string, query url.Values) (target.Target, error) {
	return m.ParseAt("", raw, query)
}

// ParseAt returns the target of a percent-encoded URL path of a host, and its query. Errors are faults:
// NoSuchURL when the path is not in MediaWiki's grammar.
func (m *Parser) ParseAt(host, raw string, query url.Values) (target.Target, error) {
	decoded, err := url.PathUnescape(raw)
	if err != nil || !utf8.ValidString(decoded) {
		return target.Target{}, fault.New(fault.BadURL, "the URL's percent-encoding is wrong or not UTF-8: encode the name's UTF-8, as in /K%%C3%%A4se.jpg")
	}
	decoded = slashes.ReplaceAllString(decoded, "/")
	asked := m.sites.at(host, decoded)
	script, isScript := strings.CutSuffix(decoded, "/thumb.php")
	var ignored []string
	if isScript {
		p := newParameters(query)
		asked, err = m.fromScript(host, script, p)
		ignored = p.ignored()
	}
	if err != nil {
		return target.Target{}, err
	}
	t, err := m.parseDecoded(asked)
	if err == nil {
		err = t.Blacklisted(m.settings)
	}
	t.AsOf, t.Ignored = versionOf(query), ignored
	return t, err
}

func (m *Parser) parseDecoded(asked address) (target.Target, error) {
	if p := path(syntax.Of(m.forms[asked.levels].thumbnail).Parts(asked.path)); p != nil {
		p["prefix"] = asked.prefix
		return m.thumb(p)
	}
	return m.asStored(asked)
}

// zeros matches leading zeros of a number, which mean nothing.
var zeros = regexp.MustCompile(`(^|[^0-9])0+([0-9])`)

// thumb returns the target of a thumbnail.
func (m *Parser) thumb(p path) (target.Target, error) {
	p["options"] = zeros.ReplaceAllString(strings.ToLower(p["options"]), "$1$2")
	p["end"] = p.canonicalEnd()
	spec, err := m.spec(p)
	if err != nil {
		return target.Target{}, err
	}
	t := target.Target{
		Spec: spec, Key: m.key(p), Kin: m.kin(p), XKey: target.WikiXKey(p.original()),
		Disposition: target.Disposition(p.original(), strings.ToLower(p["format"])),
		Private:     p["zone"] == "temp" || m.private(p), MaxAge: m.settings.Edge.MaxAge, Wiki: true,
	}
	if !objectstore.Valid(t.Spec.Original) || !objectstore.Valid(t.Key) {
		return t, fault.New(fault.BadURL, "no file can have the name %q: check the URL", p.original())
	}
	return m.sized(t, p)
}

func (p path) original() string { return p["name"] + "." + p["ext"] }

func (m *Parser) spec(p path) (thumbnail.Spec, error) {
	s := target.Base(m.settings.Render)
	s.Original = m.original(p)
	s.Type = thumbnail.TypeOf(p.original())
	format, ok := thumbnail.ParseFormat(p["format"])
	if !ok || !s.Type.Converts(format) {
		return s, fault.New(fault.BadURL, "a thumbnail of a .%s file cannot have the format .%s: use another format", p["ext"], p["format"])
	}
	s.Format = format
	if p["qlow"] != "" {
		s.Quality = m.settings.Render.QualityLow
		delete(s.Qualities, thumbnail.FormatJPEG) // qlow applies to JPEGs even when the settings give JPEGs their own quality
	}
	if s.Type == thumbnail.TypeJPEG {
		m.filters.Apply(&s, m.settings.Render.DefaultFiltersJPEG, noPicture)
		s.Format = format // the site's filters do not change the format of the URL
	}
	s.Lang = strings.ToLower(p["lang"])
	for field, text := range map[*int]string{&s.Width: p["width"], &s.Page: p["page"]} {
		n, err := strconv.Atoi("0" + text)
		if err != nil {
			return s, fault.New(fault.BadURL, "the number %s is too large: use a smaller width or page", text)
		}
		*field = n
	}
	if p["seek"] != "" {
		n, err := strconv.Atoi(p["seek"])
		if err != nil {
			return s, fault.New(fault.BadURL, "the number %s is too large: seek to an earlier second", p["seek"])
		}
		s.Page, s.FirstFrame = n, n == 0
	}
	if s.Width == 0 {
		return s, fault.New(fault.BadURL, "the width is 0: ask for one pixel or more")
	}
	return s, nil
}

// noPicture refuses every picture of a filter: the site's filters change all JPEGs, private ones too,
// so they must not draw other originals.
func noPicture(string) (thumbnail.Location, bool) { return thumbnail.Location{}, false }

// container returns the name of a zone's container, with the shard of a sharded container.
func (m *Parser) container(p path, zone, shard string) string {
	return m.sharded(p["project"]+"-"+p["language"]+"-local-"+zone, shard)
}

func (m *Parser) sharded(container, shard string) string {
	if slices.Contains(m.settings.Store.ShardedContainers, container) {
		return container + "." + shard
	}
	return container
}

// original returns the location of the original. The shard of a temporary file is the MD5 of its name
// without the leading time.
func (m *Parser) original(p path) thumbnail.Location {
	switch p["zone"] {
	case "temp":
		_, name, _ := strings.Cut(p.original(), "!")
		shards := hashed(name, strings.Count(p["shards"], "/"))
		return thumbnail.Location{
			Container: m.container(p, "temp", path{"shards": shards}.shard()),
			Path:      m.settings.Store.Originals.Prefix + shards + p.original(),
		}
	case "archive":
		return thumbnail.Location{Container: m.container(p, "public", p.shard()), Path: m.settings.Store.Originals.Prefix + "archive/" + p["shards"] + p.original()}
	}
	return thumbnail.Location{Container: m.container(p, "public", p.shard()), Path: m.settings.Store.Originals.Prefix + p["shards"] + p.original()}
}

// shard returns the last of the folders above a file. It decides the shard of a container.
func (p path) shard() string {
	folders := strings.Split(strings.TrimSuffix(p["shards"], "/"), "/")
	return folders[len(folders)-1]
}

// hashed returns the folders above a file with a name: a/ab/ for two levels, "" for zero.
func hashed(name string, levels int) (folders string) {
	sum := md5.Sum([]byte(name)) //nolint:gosec // MediaWiki's shards
	hash := hex.EncodeToString(sum[:])
	for n := range levels {
		folders += hash[:n+1] + "/"
	}
	return folders
}

func (m *Parser) key(p path) thumbnail.Location {
	zone, folder := "thumb", ""
	switch p["zone"] {
	case "temp":
		zone, folder = "temp", "thumb/"
	case "archive":
		folder = "archive/"
	}
	return thumbnail.Location{
		Container: m.container(p, zone, p.shard()),
		Path:      m.settings.Store.Thumbnails.Prefix + folder + p["shards"] + p.original() + "/" + p["options"] + p["end"],
	}
}

// kin returns the texts before and after the width in the keys of an original's other sizes.
func (m *Parser) kin(p path) target.Kin {
	at := lastWidth.FindStringSubmatchIndex(p["options"])
	behind := "px-" + p["options"][at[2]:at[3]] + p["end"]
	folder := strings.TrimSuffix(m.key(p).Path, p["options"]+p["end"])
	return target.Kin{Before: folder + p["options"][:at[0]], Behind: behind}
}

// private reports whether store.private_containers has the wiki's container. The setting names
// containers without shards.
func (m *Parser) private(p path) bool {
	return slices.Contains(m.settings.Store.PrivateContainers, p["project"]+"-"+p["language"]+"-local-public")
}
