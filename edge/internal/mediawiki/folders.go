package mediawiki

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// containers matches a container of files: project-language-local-zone, and the shard of a sharded
// container.
var containers = regexp.MustCompile(`^([^-/]+)-([^/]+)-local-(public|temp)(\.[0-9a-z]+)?$`)

// Folders returns the beginnings of the locations of an original's thumbnails; nil for an original
// in another container than MediaWiki's.
func (m *Parser) Folders(original thumbnail.Location) []thumbnail.Location {
	in := containers.FindStringSubmatch(original.Container)
	below, ours := strings.CutPrefix(original.Path, m.settings.Store.Originals.Prefix)
	if in == nil || !ours || below == "" {
		return nil
	}
	prefix := m.settings.Store.Thumbnails.Prefix
	if in[3] == "public" {
		container := strings.Replace(original.Container, "-local-public", "-local-thumb", 1)
		return []thumbnail.Location{{Container: container, Path: prefix + below + "/"}}
	}
	// The URL of a temporary file has the shard of the whole name. The file itself has the shard of the
	// name without its time.
	name := below[strings.LastIndex(below, "/")+1:]
	shards := hashed(name, m.sites.levels(in[1]+"/"+in[2]))
	container := m.sharded(in[1]+"-"+in[2]+"-local-temp", path{"shards": shards}.shard())
	return []thumbnail.Location{{Container: container, Path: prefix + "thumb/" + shards + name + "/"}}
}

// kept matches a container of thumbnails.
var kept = regexp.MustCompile(`^([^-/]+)-([^/]+)-local-(thumb|temp)(?:\.[0-9a-z]+)?$`)

// OwnURLs returns the addresses of the original itself; nil for a file that has no URL.
func (m *Parser) OwnURLs(original thumbnail.Location) []Address {
	in := containers.FindStringSubmatch(original.Container)
	below, ours := strings.CutPrefix(original.Path, m.settings.Store.Originals.Prefix)
	if in == nil || !ours || in[3] != "public" {
		return nil
	}
	return m.sites.addresses(in[1]+"/"+in[2], "/"+below)
}

// Standard returns the URL path of an original's thumbnail of a width in pixels, as MediaWiki writes
// it; "" when the original is not a wiki's file.
func (m *Parser) Standard(original thumbnail.Location, width int) string {
	folders := m.Folders(original)
	if len(folders) == 0 {
		return ""
	}
	before, end := "", extension(original.Name())
	switch thumbnail.TypeOf(original.Name()) {
	case thumbnail.TypePDF, thumbnail.TypeDjVu:
		before = "page1-"
	case thumbnail.TypeTIFF:
		before = "lossy-page1-"
	case thumbnail.TypeAudio, thumbnail.TypeUnknown: // these have no thumbnails
		end = ""
	}
	name := fmt.Sprintf("%s%dpx-%s%s", before, width, original.Name(), end)
	wiki, rest := m.below(thumbnail.Location{Container: folders[0].Container, Path: folders[0].Path + name})
	return (&url.URL{Path: "/" + wiki + rest}).EscapedPath()
}

// URLs returns the addresses of a stored thumbnail; nil when key is in another container than
// MediaWiki's.
func (m *Parser) URLs(key thumbnail.Location) []Address {
	wiki, rest := m.below(key)
	if wiki == "" {
		return nil
	}
	return m.sites.addresses(wiki, rest)
}

// below returns the wiki of a stored thumbnail, and the URL path below the wiki's prefix; "" when key is
// in another container than MediaWiki's.
func (m *Parser) below(key thumbnail.Location) (wiki, rest string) {
	in := kept.FindStringSubmatch(key.Container)
	if in == nil {
		return "", ""
	}
	rest = strings.TrimPrefix(key.Path, m.settings.Store.Thumbnails.Prefix)
	if in[3] == "temp" {
		rest = "temp/" + strings.TrimPrefix(rest, "thumb/")
	}
	return in[1] + "/" + in[2], "/thumb/" + rest
}
