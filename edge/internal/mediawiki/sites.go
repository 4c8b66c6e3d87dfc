package mediawiki

import (
	"cmp"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// site has the beginning of the URLs of one wiki's files.
type site struct {
	wiki   string // project/language
	host   string // "" = every host
	prefix string // path of its files: /w/images
	script string // path of its thumb.php, "" = any
	levels int    // folders above a file
}

// sites has the wikis of the settings. Wikis with a host come first, then wikis with a longer prefix.
type sites []site

// defaultPrefixes has the paths at which MediaWiki serves files by default.
var defaultPrefixes = []string{"/w/images", "/images"}

func newSites(s settings.MediaWiki) (all sites) {
	for _, w := range s.Wikis {
		all = append(all, site{w.Wiki, w.Host, w.Prefix, w.ThumbScript(), w.Levels()})
	}
	slices.SortStableFunc(all, func(a, b site) int {
		return cmp.Or(cmp.Compare(min(len(b.host), 1), min(len(a.host), 1)), cmp.Compare(len(b.prefix), len(a.prefix)))
	})
	if s.Wiki == "" {
		return all
	}
	levels := all.levels(s.Wiki)
	for _, prefix := range defaultPrefixes {
		all = append(all, site{s.Wiki, "", prefix, "", levels})
	}
	return all
}

// levels returns the number of folders above a wiki's files.
func (all sites) levels(wiki string) int {
	for _, s := range all {
		if s.wiki == wiki {
			return s.levels
		}
	}
	return maxLevels
}

// address is a path as the grammar reads it.
type address struct {
	path   string // begins with /project/language
	prefix string // the client's beginning of the path, in place of /project/language
	levels int
}

// at returns the address of a path of a host.
func (all sites) at(host, path string) address {
	for _, s := range all {
		if rest, ok := strings.CutPrefix(path, s.prefix+"/"); ok && s.serves(host) {
			return s.address("/" + rest)
		}
	}
	wiki := firstSegments(path)
	return address{path, "/" + wiki, all.levels(wiki)}
}

// address returns the address of a path below the wiki's prefix.
func (s site) address(rest string) address {
	return address{"/" + s.wiki + rest, s.prefix, s.levels}
}

// serves reports whether the wiki's URLs can have a host. The port may be missing in the settings.
func (s site) serves(host string) bool {
	if s.host == "" || strings.EqualFold(s.host, host) {
		return true
	}
	name, _, err := net.SplitHostPort(host)
	return err == nil && strings.EqualFold(s.host, name)
}

// withScript returns the wiki of a thumb.php in a folder: the wiki whose script it is, or else the wiki
// that takes any script.
func (all sites) withScript(host, folder string) (found site, ok bool) {
	for _, fits := range []func(site) bool{
		func(s site) bool { return s.serves(host) && s.script == folder+"/thumb.php" },
		func(s site) bool { return s.script == "" && s.prefix == folder+"/images" },
		func(s site) bool { return s.script == "" },
	} {
		if i := slices.IndexFunc(all, fits); i >= 0 {
			return all[i], true
		}
	}
	return site{}, false
}

// firstSegments returns the project and the language of a path.
func firstSegments(path string) string {
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 3)
	return strings.Join(parts[:min(len(parts), 2)], "/")
}

// Address is a percent-encoded URL path, and its host. Host is "" when the settings do not name it.
type Address struct{ Host, Path string }

// addresses returns the addresses of a path below a wiki's prefix, one for each prefix of the wiki.
func (all sites) addresses(wiki, rest string) (found []Address) {
	add := func(host, prefix string) {
		a := Address{host, (&url.URL{Path: prefix + rest}).EscapedPath()}
		if !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	for _, s := range all {
		if s.wiki == wiki {
			add(s.host, s.prefix)
		}
	}
	if len(found) == 0 {
		add("", "/"+wiki)
	}
	return found
}
