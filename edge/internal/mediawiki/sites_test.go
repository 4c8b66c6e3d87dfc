package mediawiki

import (
	"net/url"
	"slices"
	"testing"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// severalWikis are wikis with paths, hosts and folders of their own.
func severalWikis(policy string) *Parser {
	s := settings.Default()
	none, one := 0, 1
	s.MediaWiki.SizePolicy = policy
	s.MediaWiki.Wiki = "site/main"
	s.MediaWiki.Wikis = []settings.Wiki{
		{Wiki: "site/en", Prefix: "/wiki/images"},
		{Wiki: "site/flat", Prefix: "/flat/files", HashLevels: &none},
		{Wiki: "site/de", Prefix: "/images", Host: "de.example", Script: "/php/thumb.php"},
		{Wiki: "site/fr", Prefix: "/images", Host: "fr.example:8080", HashLevels: &one},
	}
	return New(s)
}

// A thumbnail, its original and thumb.php mean the same, by each wiki's paths; a redirect has
// the paths that the client has.
func TestWikisWithPathsOfTheirOwn(t *testing.T) {
	const free = "free"
	for _, c := range []struct{ host, prefix, script, wiki, folders, container string }{
		{"", "/wiki/images", "/wiki/thumb.php", "site/en", "d/d1/", "site-en-local-public"},
		{"any.example", "/flat/files", "/flat/thumb.php", "site/flat", "", "site-flat-local-public"},
		{"de.example", "/images", "/php/thumb.php", "site/de", "d/d1/", "site-de-local-public"},
		{"DE.example:80", "/images", "/php/thumb.php", "site/de", "d/d1/", "site-de-local-public"},
		{"fr.example:8080", "/images", "/thumb.php", "site/fr", "d/", "site-fr-local-public"},
		{"fr.example", "/images", "/thumb.php", "site/main", "d/d1/", "site-main-local-public"},
		{"", "/w/images", "/w/thumb.php", "site/main", "d/d1/", "site-main-local-public"},
		{"", "/site/flat", "/site/flat/thumb.php", "site/flat", "", "site-flat-local-public"},
	} {
		m := severalWikis(free)
		want := thumbnail.Location{Container: c.container, Path: c.folders + "Cat.jpg"}
		stored, err := m.ParseAt(c.host, c.prefix+"/"+c.folders+"Cat.jpg", nil)
		if err != nil || *stored.Stored != want {
			t.Errorf("%s%s: the original is %+v, %v", c.host, c.prefix, stored.Stored, err)
		}
		thumb, err := m.ParseAt(c.host, c.prefix+"/thumb/"+c.folders+"Cat.jpg/300px-Cat.jpg", nil)
		if err != nil || thumb.Spec.Original != want || thumb.Key.Path != c.folders+"Cat.jpg/300px-Cat.jpg" {
			t.Errorf("%s%s: the thumbnail of %+v is at %s, %v", c.host, c.prefix, thumb.Spec.Original, thumb.Key, err)
		}
		old, err := m.ParseAt(c.host, c.prefix+"/thumb/archive/"+c.folders+"20260101000000!Cat.jpg/300px-Cat.jpg", nil)
		if err != nil || old.Spec.Original.Path != "archive/"+c.folders+"20260101000000!Cat.jpg" {
			t.Errorf("%s%s: an old version is %+v, %v", c.host, c.prefix, old.Spec.Original, err)
		}
		script, err := m.ParseAt(c.host, c.script, url.Values{"f": {"Cat.jpg"}, "w": {"300"}})
		if err != nil || script.Key != thumb.Key {
			t.Errorf("%s%s: %s, %v", c.host, c.script, script.Key, err)
		}
		to := c.prefix + "/thumb/" + c.folders + "Cat.jpg/330px-Cat.jpg"
		for path, query := range map[string]url.Values{c.prefix + "/thumb/" + c.folders + "Cat.jpg/300px-Cat.jpg": nil, c.script: {"f": {"Cat.jpg"}, "w": {"300"}}} {
			odd, err := severalWikis("redirect").ParseAt(c.host, path, query)
			if err != nil || odd.Odd == nil || odd.Odd.Target.Redirect != to {
				t.Errorf("%s%s: %+v, %v", c.host, path, odd.Odd, err)
			}
		}
	}
}

// A purge sends the paths that clients use, on the wiki's host, because caches have these URLs.
func TestWhereClientsAskForFiles(t *testing.T) {
	m := severalWikis("free")
	for container, want := range map[string][]Address{
		"site-en-local-":      {{"", "/wiki/images"}},
		"site-de-local-":      {{"de.example", "/images"}},
		"site-fr-local-":      {{"fr.example:8080", "/images"}},
		"site-main-local-":    {{"", "/w/images"}, {"", "/images"}},
		"wikipedia-en-local-": {{"", "/wikipedia/en"}},
	} {
		var thumbs, originals []Address
		for _, a := range want {
			thumbs = append(thumbs, Address{a.Host, a.Path + "/thumb/a/ab/K%C3%A4se.jpg/330px-K%C3%A4se.jpg"})
			originals = append(originals, Address{a.Host, a.Path + "/a/ab/K%C3%A4se.jpg"})
		}
		if got := m.URLs(thumbnail.Location{Container: container + "thumb", Path: "a/ab/Käse.jpg/330px-Käse.jpg"}); !slices.Equal(got, thumbs) {
			t.Errorf("%s: %v, want %v", container, got, thumbs)
		}
		if got := m.OwnURLs(thumbnail.Location{Container: container + "public", Path: "a/ab/Käse.jpg"}); !slices.Equal(got, originals) {
			t.Errorf("%s: %v, want %v", container, got, originals)
		}
	}
}

// Without folders, a file's name cannot reach the other folders that MediaWiki has beside the files.
func TestUnhashedFilesAreOneSegment(t *testing.T) {
	m := severalWikis("free")
	for path, ok := range map[string]bool{
		"Cat.jpg": true, "archive/20260101000000!Cat.jpg": true, "transcoded/Film.webm/Film.webm.160p.webm": true,
		"deleted/a/b/c/abc.jpg": false, "deleted/abc.jpg": false, "lockdir/x": false, "thumb/Cat.jpg": false,
	} {
		if got, err := m.Parse("/flat/files/"+path, nil); (err == nil) != ok {
			t.Errorf("%s: %+v, %v", path, got.Stored, err)
		}
	}
}
