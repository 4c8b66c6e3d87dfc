package mediawiki

import (
	"net/url"
	"strings"

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
	file := strings.ReplaceAll(q.Get("f"), " ", "_")
	if file == "" || strings.Contains(file, "/") {
		return address{}, fault.New(fault.BadURL, "thumb.php needs f, the name of a file")
	}
	name, err := thumbName(file, q)
	if err != nil {
		return address{}, err
	}
	return site.address("/thumb/" + place(file, q, site.levels) + file + "/" + name), nil
}

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
	width := q.Get("width")
	if width == "" {
		width = q.Get("w")
	}
	width = strings.TrimSuffix(width, "px")
	if width == "" || strings.Trim(width, "0123456789") != "" {
		return "", fault.New(fault.BadURL, "thumb.php needs width, a number of pixels")
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

// behind is the extension that MediaWiki writes behind a file's name in those of its
// thumbnails: none where the file is of the format that it is shown in.
func behind(file string) string {
	shown := thumbnail.TypeOf(file).DefaultFormat(false)
	if own, _ := thumbnail.ParseFormat(file[strings.LastIndex(file, ".")+1:]); own == shown {
		return ""
	}
	return "." + string(shown)
}
