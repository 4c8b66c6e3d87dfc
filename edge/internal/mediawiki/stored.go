package mediawiki

import (
	"errors"
	"regexp"
	"strings"

	"github.com/thumbmill/thumbmill/edge/internal/syntax"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// storedForm is a form of URL path. Other programs write its objects, and the edge serves them as
// they are.
type storedForm struct {
	pattern *regexp.Regexp
	place   func(m *Parser, p path) thumbnail.Location
}

// uploads match the paths of originals below a wiki's prefix, by the number of folders above the files.
// Without folders a file is one segment, so that a path cannot reach into another zone's folder.
var uploads = [maxLevels + 1]string{
	`(?:(?P<zone>temp|archive)/)?[^/]+`,
	`(?:(?P<zone>temp|archive)/)?(?P<shards>[0-9a-f]/).+`,
	`(?:(?P<zone>temp|archive)/)?(?P<shards>[0-9a-f]/[0-9a-f]{2}/).+`,
}

// transcoded match the paths of transcoded videos in the same way. Each video has its own folder.
var transcoded = [maxLevels + 1]string{`[^/]+/[^/]+`, uploads[1], uploads[2]}

// storedForms returns the forms of Wikimedia's Swift middleware, in its order, for wikis with a number
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

// upload returns the location of an original, or of a transcoded video.
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

// ErrUnknown is the cause of the fault of a path that is not in MediaWiki's grammar.
var ErrUnknown = errors.New("the path is not in MediaWiki's grammar")

// asStored returns the target of an object that the edge serves as it is.
func (m *Parser) asStored(asked address) (target.Target, error) {
	for _, form := range m.forms[asked.levels].stored {
		p := path(syntax.Of(form.pattern).Parts(asked.path))
		if p == nil {
			continue
		}
		at := form.place(m, p)
		if !objectstore.Valid(at) {
			return target.Target{}, fault.New(fault.BadURL, "no file can have the name %q: check the URL", at.Path)
		}
		name := at.Path[strings.LastIndex(at.Path, "/")+1:]
		return target.Target{
			Stored: &at, XKey: target.WikiXKey(name), Disposition: target.Disposition(name, ""), MaxAge: m.settings.Edge.MaxAge,
			Private: p["zone"] == "temp" || m.private(p), Wiki: true,
		}, nil
	}
	return target.Target{}, fault.Wrap(ErrUnknown, fault.NoSuchURL, "no thumbnail has this URL: check it against MediaWiki's language")
}
