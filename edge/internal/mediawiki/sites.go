package mediawiki

import (
	"cmp"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/thumbmill/thumbmill/shared/settings"
)

// site is where the URLs of one wiki's files begin.
type site struct {
	wiki   string // project/language
	host   string // "" = every host
	prefix string // path of its files: /w/images
	script string // path of its thumb.php, "" = any
	levels int    // folders above a file
}

// sites are the wikis of the settings, the more special ones first: those with a host, then
// those with a longer prefix.
type sites []site

// defaultPrefixes are MediaWiki's paths of files when nobody says otherwise.
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

// levels is the number of folders above a wiki's files.
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
	prefix string // that the client wrote in place of /project/language
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

// address returns the address of what is below the wiki's path.
func (s site) address(rest string) address {
	return address{"/" + s.wiki + rest, s.prefix, s.levels}
}

// serves reports whether the wiki's URLs have a host: with its port, or without one.
func (s site) serves(host string) bool {
	if s.host == "" || strings.EqualFold(s.host, host) {
		return true
	}
	name, _, err := net.SplitHostPort(host)
	return err == nil && strings.EqualFold(s.host, name)
}

// withScript returns the wiki of a thumb.php, at a path without the name: the one whose script
// it is, else the one that takes any.
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

// firstSegments are the project and the language of a path.
func firstSegments(path string) string {
	parts := strings.SplitN(strings.TrimPrefix(path, "/"), "/", 3)
	return strings.Join(parts[:min(len(parts), 2)], "/")
}

// Address is where clients ask for something: a path, percent-encoded, of a host; "" is a host
// that the settings do not name.
type Address struct{ Host, Path string }

// addresses are those of what is below a wiki's path: several when the wiki has several.
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
