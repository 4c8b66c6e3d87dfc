package mediawiki

import (
	"crypto/md5" //nolint:gosec // MediaWiki's shards
	"encoding/hex"
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
	path, ours := strings.CutPrefix(original.Path, m.settings.Store.Originals.Prefix)
	if in == nil || !ours || path == "" {
		return nil
	}
	prefix := m.settings.Store.Thumbnails.Prefix
	if in[3] == "public" {
		container := strings.Replace(original.Container, "-local-public", "-local-thumb", 1)
		return []thumbnail.Location{{Container: container, Path: prefix + path + "/"}}
	}
	// A temporary file's thumbnails have the shard of the whole name. The file itself has the shard
	// of the name without its time.
	name := path[strings.LastIndex(path, "/")+1:]
	sum := md5.Sum([]byte(name)) //nolint:gosec // MediaWiki's shards
	hash := hex.EncodeToString(sum[:])
	container := m.sharded(in[1]+"-"+in[2]+"-local-temp", hash[:2])
	return []thumbnail.Location{{Container: container, Path: prefix + "thumb/" + hash[:1] + "/" + hash[:2] + "/" + name + "/"}}
}

// kept matches a container of thumbnails.
var kept = regexp.MustCompile(`^([^-/]+)-([^/]+)-local-(thumb|temp)(?:\.[0-9a-z]+)?$`)

// OwnURLs returns the URL paths of the original itself, percent-encoded; nil for a file that has
// none.
func (m *Parser) OwnURLs(original thumbnail.Location) []string {
	in := containers.FindStringSubmatch(original.Container)
	path, ours := strings.CutPrefix(original.Path, m.settings.Store.Originals.Prefix)
	if in == nil || !ours || in[3] != "public" {
		return nil
	}
	return []string{(&url.URL{Path: "/" + in[1] + "/" + in[2] + "/" + path}).EscapedPath()}
}

// Standard returns the URL path of an original's thumbnail of a width in pixels, as MediaWiki writes
// it; "" when the original is not a wiki's file.
func (m *Parser) Standard(original thumbnail.Location, width int) string {
	folders := m.Folders(original)
	if len(folders) == 0 {
		return ""
	}
	before, end := "", behind(original.Name())
	switch thumbnail.TypeOf(original.Name()) {
	case thumbnail.TypePDF, thumbnail.TypeDjVu:
		before = "page1-"
	case thumbnail.TypeTIFF:
		before = "lossy-page1-"
	case thumbnail.TypeAudio, thumbnail.TypeUnknown: // these have no thumbnails
		end = ""
	}
	name := fmt.Sprintf("%s%dpx-%s%s", before, width, original.Name(), end)
	return m.URL(thumbnail.Location{Container: folders[0].Container, Path: folders[0].Path + name})
}

// URL returns the URL path of a stored thumbnail, percent-encoded; "" when key is in another
// container than MediaWiki's.
func (m *Parser) URL(key thumbnail.Location) string {
	in := kept.FindStringSubmatch(key.Container)
	if in == nil {
		return ""
	}
	path := strings.TrimPrefix(key.Path, m.settings.Store.Thumbnails.Prefix)
	if in[3] == "temp" {
		path = "temp/" + strings.TrimPrefix(path, "thumb/")
	}
	return (&url.URL{Path: "/" + in[1] + "/" + in[2] + "/thumb/" + path}).EscapedPath()
}
