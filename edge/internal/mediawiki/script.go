package mediawiki

import (
	"crypto/md5" //nolint:gosec // MediaWiki's shards
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// fromScript returns the URL path of the thumbnail in thumb.php's parameters. wiki is the path before
// the script: /<project>/<language>, or anything else when mediawiki.wiki is set.
func (m *Parser) fromScript(wiki string, q url.Values) (string, error) {
	if strings.Count(strings.TrimSuffix(wiki, "/w"), "/") != 2 {
		if m.settings.MediaWiki.Wiki == "" {
			return "", fault.New(fault.NoSuchURL, "the URL of thumb.php names no wiki: ask for /<project>/<language>/thumb.php, or set mediawiki.wiki")
		}
		wiki = "/" + m.settings.MediaWiki.Wiki
	}
	wiki = strings.TrimSuffix(wiki, "/w") + "/thumb/"
	if relative := q.Get("rel404"); relative != "" {
		return wiki + strings.TrimPrefix(relative, "/"), nil
	}
	file := strings.ReplaceAll(q.Get("f"), " ", "_")
	if file == "" || strings.Contains(file, "/") {
		return "", fault.New(fault.BadURL, "the parameter f of thumb.php is %q: set it to the name of a file, without /", file)
	}
	name, err := thumbName(file, q)
	if err != nil {
		return "", err
	}
	return wiki + place(file, q) + file + "/" + name, nil
}

// place returns the zone and the folders of a file. The folders are a hash of the name; the hash of
// an old version leaves out the leading time.
func place(file string, q url.Values) string {
	zone, hashed := "", file
	if on(q, "archived") {
		zone = "archive/"
	} else if on(q, "temp") {
		zone = "temp/"
	}
	if zone == "archive/" {
		if _, rest, ok := strings.Cut(file, "!"); ok {
			hashed = rest
		}
	}
	sum := md5.Sum([]byte(hashed)) //nolint:gosec // MediaWiki's shards
	hash := hex.EncodeToString(sum[:])
	return zone + hash[:1] + "/" + hash[:2] + "/"
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
	width := q.Get("width")
	if width == "" {
		width = q.Get("w")
	}
	width = strings.TrimSuffix(width, "px")
	if width == "" || strings.Trim(width, "0123456789") != "" {
		return "", fault.New(fault.BadURL, "the parameter width of thumb.php is %q: set it to a number of pixels", width)
	}
	page := q.Get("page")
	if page == "" {
		page = q.Get("p")
	}
	var name strings.Builder
	if page != "" {
		name.WriteString("page" + page + "-")
	}
	if lang := q.Get("lang"); lang != "" {
		name.WriteString("lang" + strings.ToLower(lang) + "-")
	}
	name.WriteString(width + "px-" + file + behind(file))
	return name.String(), nil
}

// behind returns the extension that MediaWiki adds to a file's name in the names of its thumbnails;
// "" when the thumbnails have the file's own format.
func behind(file string) string {
	shown := thumbnail.TypeOf(file).DefaultFormat(false)
	if own, _ := thumbnail.ParseFormat(file[strings.LastIndex(file, ".")+1:]); own == shown {
		return ""
	}
	return "." + string(shown)
}
