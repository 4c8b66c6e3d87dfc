package mediawiki

import (
	"regexp"
	"strings"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// storedForm is a form of path whose objects are served as they are: they are
// written by others, and never rendered here.
type storedForm struct {
	pattern *regexp.Regexp
	place   func(m *Parser, p path) thumbnail.Location
}

// uploads are the paths of originals below a wiki's, by the number of folders above them.
// Without folders one segment names a file, so that no other zone's folder is reached.
var uploads = [maxLevels + 1]string{
	`(?:(?P<zone>temp|archive)/)?[^/]+`,
	`(?:(?P<zone>temp|archive)/)?(?P<shards>[0-9a-f]/).+`,
	`(?:(?P<zone>temp|archive)/)?(?P<shards>[0-9a-f]/[0-9a-f]{2}/).+`,
}

// transcoded are the paths of transcoded videos, likewise: each has a folder of its own.
var transcoded = [maxLevels + 1]string{`[^/]+/[^/]+`, uploads[1], uploads[2]}

// storedForms are those of Wikimedia's Swift middleware, in its order, for wikis with a number
// of folders above their files.
func storedForms(levels int) []storedForm {
	global := func(repository string) func(*Parser, path) thumbnail.Location {
		return func(m *Parser, p path) thumbnail.Location {
			return m.at("global-data-"+repository+"-render", p["shard1"]+p["shard2"], p["object"])
		}
	}
	form := func(pattern string, place func(*Parser, path) thumbnail.Location) storedForm {
		return storedForm{regexp.MustCompile(pattern), place}
	}
	return []storedForm{
		form(wiki+`(?P<object>`+uploads[levels]+`)$`, (*Parser).upload),
		form(wiki+`(?P<transcoded>transcoded)/(?P<object>`+transcoded[levels]+`)$`, (*Parser).upload),
		form(wiki+`timeline/(?P<object>.+)$`, func(m *Parser, p path) thumbnail.Location {
			return m.at(p["project"]+"-"+p["language"]+"-timeline-render", "", p["object"])
		}),
		form(`^(?:/[^/]+/[^/]+)?/math/(?P<object>(?P<shard1>[0-9a-f])/(?P<shard2>[0-9a-f])/.+)$`, global("math")),
		form(`^/score/(?P<object>.+)$`, global("score")),
		form(`^/phonos/(?P<object>.+)$`, global("phonos")),
	}
}

// upload is an original, or a transcoded video.
func (m *Parser) upload(p path) thumbnail.Location {
	zone := "public"
	if p["transcoded"] != "" {
		zone = "transcoded"
	}
	return m.at(p["project"]+"-"+p["language"]+"-local-"+zone, p.shard(), p["object"])
}

func (m *Parser) at(container, shard, object string) thumbnail.Location {
	return thumbnail.Location{Container: m.sharded(container, shard), Path: m.settings.Store.Originals.Prefix + object}
}

// asStored finds what is served as it is.
func (m *Parser) asStored(asked address) (target.Target, error) {
	for _, form := range m.forms[asked.levels].stored {
		p := path(target.Parts(form.pattern, asked.path))
		if p == nil {
			continue
		}
		at := form.place(m, p)
		if !objectstore.Valid(at) {
			return target.Target{}, fault.New(fault.BadURL, "the URL names no file that could exist")
		}
		name := at.Path[strings.LastIndex(at.Path, "/")+1:]
		return target.Target{
			Stored: &at, XKey: "File:" + name, Disposition: target.Disposition(name, ""), MaxAge: m.settings.Edge.MaxAge,
			Private: p["zone"] == "temp" || m.private(p), Wiki: true,
		}, nil
	}
	return target.Target{}, fault.New(fault.NoSuchURL, "the URL is no thumbnail's: neither MediaWiki's nor Thumbor's grammar knows it")
}
