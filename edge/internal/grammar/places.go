package grammar

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Places are where everything of one original is.
type Places struct {
	Originals []thumbnail.Location // its names: a file of a wiki's has one in each grammar
	Folders   []Folder
	URLs      []string // paths by which clients ask for the original itself
	XKey      string
}

// Folder holds thumbnails of one original: what their paths begin with.
type Folder struct {
	thumbnail.Location
	// URL gives the path by which clients ask for the thumbnail at a path there, "" where
	// the path does not tell.
	URL func(path string) string
}

// Places finds them. The original is named as logs and the failure memory do: a path, a
// URL, or container/path.
func (g *Reader) Places(original string) Places {
	plain := g.thumbor.Original(original)
	found := Places{
		Originals: []thumbnail.Location{plain}, XKey: target.XKey(plain),
		Folders: []Folder{{thumbnail.Location{Path: g.thumbor.Folder(plain)}, func(string) string { return "" }}},
	}
	container, path, _ := strings.Cut(original, "/")
	in := thumbnail.Location{Container: container, Path: path}
	for _, folder := range g.mediawiki.Folders(in) {
		found.Folders = append(found.Folders, Folder{folder, func(path string) string {
			return g.mediawiki.URL(thumbnail.Location{Container: folder.Container, Path: path})
		}})
		found.Originals, found.URLs = append(found.Originals, in), g.mediawiki.OwnURLs(in)
	}
	return found
}

// Standard is the path of an original's thumbnail of a width: MediaWiki's for a wiki's
// file, else Thumbor's, unsigned.
func (g *Reader) Standard(original string, width int) string {
	container, path, _ := strings.Cut(original, "/")
	if wiki := g.mediawiki.Standard(thumbnail.Location{Container: container, Path: path}, width); wiki != "" {
		return wiki
	}
	return fmt.Sprintf("/unsafe/%dx/%s", width, (&url.URL{Path: original}).EscapedPath())
}

// FromSpec gives the target of a spec in JSON, whose gaps the settings fill. It is kept
// where Thumbor's URLs look for it. Errors are faults.
func (g *Reader) FromSpec(text []byte) (target.Target, error) {
	s := target.Base(g.settings.Render)
	s.HalfToEven, s.PNGToJPEG = true, g.settings.Thumbor.PNGToJPEG
	if err := json.Unmarshal(text, &s); err != nil {
		return target.Target{}, fault.New(fault.BadURL, "the spec is not readable: %v", err)
	}
	s.Type = thumbnail.TypeOf(s.Original.Name())
	if !s.Original.IsURL() && !objectstore.Valid(s.Original) {
		return target.Target{}, fault.New(fault.BadURL, "the spec names no original that could exist")
	}
	if s.Width < 0 || s.Height < 0 {
		return target.Target{}, fault.New(fault.BadURL, "the spec's size is below 0")
	}
	return g.thumbor.FromSpec(s)
}
