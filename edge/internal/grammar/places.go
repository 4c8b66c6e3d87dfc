package grammar

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/thumbmill/thumbmill/edge/internal/mediawiki"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Places are where everything of one original is.
type Places struct {
	Originals []thumbnail.Location // its names: a file of a wiki's has one in each grammar
	Folders   []Folder
	URLs      []Address // where clients ask for the original itself
	XKey      string
}

// Folder holds thumbnails of one original: what their paths begin with.
type Folder struct {
	Begin thumbnail.Location
	// URLs returns where clients ask for the thumbnail at a path there; none where the path
	// does not tell.
	URLs func(path string) []Address
}

// Address is a path of a host.
type Address = mediawiki.Address

// Places finds them. The original is named as logs and the failure memory do: a path, a
// URL, or container/path.
func (g *Reader) Places(original string) Places {
	plain := g.named(original)
	found := Places{
		Originals: []thumbnail.Location{plain}, XKey: target.XKey(plain),
		Folders: []Folder{{Begin: thumbnail.Location{Path: g.thumbor.Folder(plain)}, URLs: func(string) []Address { return nil }}},
	}
	container, path, _ := strings.Cut(original, "/")
	in := thumbnail.Location{Container: container, Path: path}
	for _, folder := range g.mediawiki.Folders(in) {
		found.Folders = append(found.Folders, Folder{Begin: folder, URLs: func(path string) []Address {
			return g.mediawiki.URLs(thumbnail.Location{Container: folder.Container, Path: path})
		}})
		found.Originals, found.URLs = append(found.Originals, in), g.mediawiki.OwnURLs(in)
	}
	return found
}

// named is the location of an original that logs call so: Thumbor's names have the store's
// prefix there already.
func (g *Reader) named(original string) thumbnail.Location {
	return g.thumbor.Original(strings.TrimPrefix(original, g.settings.Store.Originals.Prefix))
}

// Standard is the path of an original's thumbnail of a width: MediaWiki's for a wiki's
// file, else Thumbor's, unsigned.
func (g *Reader) Standard(original string, width int) string {
	container, path, _ := strings.Cut(original, "/")
	if wiki := g.mediawiki.Standard(thumbnail.Location{Container: container, Path: path}, width); wiki != "" {
		return wiki
	}
	return fmt.Sprintf("/unsafe/%dx/%s", width, (&url.URL{Path: strings.TrimPrefix(original, g.settings.Store.Originals.Prefix)}).EscapedPath())
}

// FromSpec gives the target of a spec in JSON, whose gaps the settings fill. It is kept
// where Thumbor's URLs look for it. Errors are faults.
func (g *Reader) FromSpec(text []byte) (target.Target, error) {
	s := target.Base(g.settings.Render)
	s.HalfToEven, s.PNGToJPEG = true, g.settings.Thumbor.PNGToJPEG
	if err := json.Unmarshal(text, &s); err != nil {
		return target.Target{}, fault.New(fault.BadURL, "the spec is not readable: %v", err)
	}
	if s.Original.IsURL() {
		s.Original = g.thumbor.Original(s.Original.Path)
	}
	s.Type = thumbnail.TypeOf(s.Original.Name())
	if s.Original.Container != "" {
		return target.Target{}, fault.New(fault.BadURL, "a spec's original has no container: name what MediaWiki has by its path")
	}
	if !s.Original.IsURL() && !objectstore.Valid(s.Original) {
		return target.Target{}, fault.New(fault.BadURL, "the spec names no original that could exist")
	}
	if err := s.Validate(); err != nil {
		return target.Target{}, fault.New(fault.BadURL, "the spec cannot be rendered: %v", err)
	}
	return g.thumbor.FromSpec(s)
}
