package grammar

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/thumbmill/thumbmill/edge/internal/mediawiki"
	"github.com/thumbmill/thumbmill/edge/internal/target"
	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Places lists the locations of one original, of its thumbnails and of its copies in caches.
type Places struct {
	Originals []thumbnail.Location // the original's names; a wiki's file has one in each grammar
	Folders   []Folder             // where thumbnails and buckets are
	URLs      []Address            // addresses of the original itself
	XKeys     []string             // the keys under which caches purge everything of the original
}

// Folder holds thumbnails of one original.
type Folder struct {
	Begin thumbnail.Location // the container, and the beginning of the paths
	// URLs returns the addresses of the stored thumbnail at path, or nil when the stored path does not
	// determine them.
	URLs func(path string) []Address
}

// Address is a URL path, with the host that it belongs to.
type Address = mediawiki.Address

// Places returns the places of an original. original is a name as in logs and in the failure
// memory: a path, a URL, or container/path.
func (g *Reader) Places(original string) Places {
	plain := g.named(original)
	found := Places{
		Originals: []thumbnail.Location{plain}, XKeys: g.keys(plain),
		Folders: []Folder{{Begin: thumbnail.Location{Path: g.thumbor.Folder(plain)}, URLs: func(string) []Address { return nil }}},
	}
	container, path, _ := strings.Cut(original, "/")
	in := thumbnail.Location{Container: container, Path: path}
	for _, folder := range g.mediawiki.Folders(in) {
		found.Folders = append(found.Folders, Folder{Begin: folder, URLs: func(path string) []Address {
			return g.mediawiki.URLs(thumbnail.Location{Container: folder.Container, Path: path})
		}})
		found.Originals, found.URLs = append(found.Originals, in), g.mediawiki.OwnURLs(in)
		found.XKeys = append(found.XKeys, target.WikiXKey(in.Name()))
	}
	return found
}

// keys returns the keys under which caches have an original of Thumbor's and imgproxy's URLs.
func (g *Reader) keys(original thumbnail.Location) []string {
	if g.settings.Imgproxy.EncryptionKey != "" {
		return []string{target.XKey(original), target.HiddenXKey(original)}
	}
	return []string{target.XKey(original)}
}

// Named returns the name of the original of a text: an original's name as it is, or the original that the URL or the path of
// a thumbnail shows. A URL that a loader reads is an original, unless its path is in Thumbor's or imgproxy's grammar.
func (g *Reader) Named(text string) string {
	at, err := url.Parse(text)
	if err != nil || !strings.HasPrefix(text, "/") && at.Scheme != "http" && at.Scheme != "https" {
		return text
	}
	r := &http.Request{RequestURI: at.RequestURI(), URL: at, Host: at.Host}
	raw := rawPath(r)
	if !g.thumbor.Mine(raw) && !g.imgproxy.Mine(raw) && g.thumbor.Reads(text) {
		return text
	}
	if original, ok := g.Original(r); ok {
		return original
	}
	return text
}

// Under returns the beginning of the places of thumbnails whose originals' names begin with a prefix, and the text before
// these names. Only originals of Thumbor's and imgproxy's URLs count.
func (g *Reader) Under(prefix string) (begin thumbnail.Location, before string) {
	at := g.named(prefix)
	begin = thumbnail.Location{Path: strings.TrimSuffix(g.thumbor.Folder(at), "/")}
	return begin, strings.TrimSuffix(begin.Path, at.Path)
}

// named returns the location in Thumbor's grammar of an original that logs call original. Names in
// logs begin with store.originals.prefix, and names in URLs do not.
func (g *Reader) named(original string) thumbnail.Location {
	return g.thumbor.Original(strings.TrimPrefix(original, g.settings.Store.Originals.Prefix))
}

// InPlace returns the target of a picture in the size, the format and with the filters of another target. Errors are
// faults.
func (g *Reader) InPlace(t target.Target, image string) (target.Target, error) {
	s := t.Spec
	s.Original = g.thumbor.Original(image)
	s.Type = thumbnail.TypeOf(s.Original.Name())
	s.Storyboard, s.Crop, s.Trim, s.Focal, s.Smart, s.Page, s.FirstFrame, s.Lang, s.Meta, s.Placeholder, s.Debug, s.Exact = nil, nil, nil, nil, false, 0, false, "", false, false, false, false
	if s.Resize != nil {
		resize := *s.Resize
		resize.Crop = thumbnail.Part{}
		s.Resize = &resize
	}
	return g.thumbor.FromSpec(s)
}

// MediaWiki returns the URL path in MediaWiki's grammar of an original's thumbnail of a width in pixels, or "" for an original
// that is not a wiki's.
func (g *Reader) MediaWiki(original string, width int) string {
	container, path, _ := strings.Cut(original, "/")
	return g.mediawiki.Standard(thumbnail.Location{Container: container, Path: path}, width)
}

// SignImgproxy returns the URL path in imgproxy's grammar of options and a source. Without signed, or without a key, the path
// is unsigned.
func (g *Reader) SignImgproxy(rest string, signed bool) (string, error) {
	return g.imgproxy.Sign(rest, signed)
}

// Standard returns the URL path of an original's thumbnail of a width in pixels: in MediaWiki's
// grammar for a wiki's file, else in Thumbor's without a signature.
func (g *Reader) Standard(original string, width int) string {
	if wiki := g.MediaWiki(original, width); wiki != "" {
		return wiki
	}
	return fmt.Sprintf("/unsafe/%dx/%s", width, (&url.URL{Path: strings.TrimPrefix(original, g.settings.Store.Originals.Prefix)}).EscapedPath())
}

// FromSpec returns the target of a spec in JSON. The settings fill the fields that the spec leaves
// out. The thumbnail's key is the key of the same thumbnail in Thumbor's grammar. Errors are faults.
func (g *Reader) FromSpec(text []byte) (target.Target, error) {
	s := target.Base(g.settings.Render)
	s.HalfToEven, s.PNGToJPEG = true, g.settings.Thumbor.PNGToJPEG
	if err := json.Unmarshal(text, &s); err != nil {
		return target.Target{}, fault.New(fault.BadURL, "cannot read the spec: %v", err)
	}
	if s.Original.IsURL() {
		s.Original = g.thumbor.Original(s.Original.Path)
	}
	s.Type = thumbnail.TypeOf(s.Original.Name())
	if s.Original.Container != "" {
		return target.Target{}, fault.New(fault.BadURL, "the spec's original has the container %q: leave the container out, and use a MediaWiki path for a wiki's file", s.Original.Container)
	}
	if !s.Original.IsURL() && !objectstore.Valid(s.Original) {
		return target.Target{}, fault.New(fault.BadURL, "no original can have the name %q: check the path of the spec's original", s.Original.Path)
	}
	if err := s.Validate(); err != nil {
		return target.Target{}, fault.New(fault.BadURL, "cannot render the spec: %v", err)
	}
	return g.thumbor.FromSpec(s)
}
