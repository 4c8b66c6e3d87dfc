// Package target describes a URL's thumbnail in either grammar: the spec, the key in the store, and
// the headers of the answer.
package target

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Target is the thumbnail, or the stored object, of one URL.
type Target struct {
	Spec        thumbnail.Spec
	Key         thumbnail.Location
	Kin         Kin    // the same thumbnail in other sizes
	XKey        string // names the original for purges at the CDN
	Disposition string // Content-Disposition
	// Hidden says that the URL encrypts the original's name. No answer tells the name.
	Hidden bool
	// Private thumbnails are served only to clients that send the secret.
	Private bool
	// Skipped has the filters that do not apply, each followed by the reason unless the filter is
	// unknown or malformed.
	Skipped []string
	// Ignored has the query's parameters that change nothing, encoded for headers.
	Ignored []string
	MaxAge  time.Duration // the time for which caches may keep the answer
	// AsOf is the time of the upload that a URL of MediaWiki's names; zero for other URLs.
	AsOf time.Time
	Vary []string // the request's headers that the answer depends on
	// SignedBy is the name of the key that signed the URL; "" for an unsigned URL.
	SignedBy string
	// Expires is the time from which the edge refuses the URL; zero for a URL without an end.
	Expires time.Time
	// Stored is the object in the store of originals that the edge serves as it is; else nil.
	Stored *thumbnail.Location
	// Redirect is the path to which the edge redirects the client; else "".
	Redirect string
	// Wiki is true for MediaWiki's URLs. Their clients expect Wikimedia's headers.
	Wiki bool
	// Odd is set for a width that is not standard. The edge serves it if it is the original's own width.
	Odd *Odd
}

// Odd is the answer for a width that is neither standard nor the original's own: a target, which may have
// a Redirect, or a fault.
type Odd struct {
	Target Target
	Err    error
}

// Standard returns the answer of Odd, with the parts of the query that t has.
func (t Target) Standard() (Target, error) {
	standard := t.Odd.Target
	standard.AsOf, standard.Ignored = t.AsOf, t.Ignored
	return standard, t.Odd.Err
}

// Kin describes the paths of one thumbnail's sizes, in the container of its key. Between Before and
// Behind a path has a width, or a width and a height with an x between them.
type Kin struct{ Before, Behind string }

// Size returns the size in the path of a thumbnail of this kin, in pixels; ok is false for other
// paths. A side of 0 follows from the other side.
func (k Kin) Size(path string) (width, height int, ok bool) {
	rest, before := strings.CutPrefix(path, k.Before)
	rest, behind := strings.CutSuffix(rest, k.Behind)
	wide, high, _ := strings.Cut(rest, "x")
	width, err := strconv.Atoi("0" + wide)
	height, err2 := strconv.Atoi("0" + high)
	return width, height, before && behind && err == nil && err2 == nil && width+height > 0
}

// Base returns the spec from which both grammars start.
func Base(r settings.Render) thumbnail.Spec {
	return thumbnail.Spec{
		AsStored: !r.RespectOrientation, KeepEXIF: r.KeepEXIF, Quality: r.Quality, Qualities: maps.Clone(r.Qualities),
		Chroma: r.ChromaSubsampling, Progressive: r.Progressive, MaxAnimatedArea: r.MaxAnimatedArea,
	}
}

// Blacklisted returns the fault BadURL when the target reads an original of edge.blacklist. The list
// has paths, and containers without shards followed by a path.
func (t Target) Blacklisted(s settings.Settings) error {
	all := append(t.Spec.Pictures(), t.Spec.Original)
	if t.Stored != nil {
		all = append(all, *t.Stored)
	}
	for _, at := range all {
		for _, name := range s.Store.Names(at.Path) {
			if at.Container != "" {
				container, _, _ := strings.Cut(at.Container, ".")
				name = container + "/" + name
			}
			if slices.Contains(s.Edge.Blacklist, name) {
				return fault.New(fault.BadURL, "this site does not serve this image: ask for another image")
			}
		}
	}
	return nil
}

// CheckSize returns the fault BadURL for a size above edge.max_width, edge.max_height or
// edge.max_pixels.
func CheckSize(s thumbnail.Spec, e settings.Edge) error {
	width, height := s.Largest()
	if width > e.MaxWidth || height > e.MaxHeight {
		return fault.New(fault.BadURL, "the size %d × %d is too large: ask for at most %d × %d pixels", width, height, e.MaxWidth, e.MaxHeight)
	}
	if width*height > e.MaxPixels {
		return fault.New(fault.BadURL, "the size %d × %d is too large: ask for at most %d pixels in all", width, height, e.MaxPixels)
	}
	return nil
}

// Disposition returns the header Content-Disposition, with the file name under which browsers save a
// thumbnail: the original's name, followed by the format if the name has another extension. name is
// the original's name without folders.
func Disposition(name, format string) string {
	ext := name[strings.LastIndex(name, ".")+1:]
	if format != "" && ext != format {
		name += "." + format
	}
	// A header's extended value has %20 for a space, where a query has "+".
	return "inline;filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// Printable percent-encodes the bytes that a header cannot hold.
func Printable(text string) string {
	plain := func(b byte) bool { return b > ' ' && b < 0x7f && b != '%' && b != ',' }
	if !slices.ContainsFunc([]byte(text), func(b byte) bool { return !plain(b) }) {
		return text
	}
	var out strings.Builder
	for _, b := range []byte(text) {
		if plain(b) {
			out.WriteByte(b)
		} else {
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}

// XKey returns the key under which a CDN purges all sizes and formats of an original of Thumbor's URLs:
// its whole name, since many folders can have a file of the same name.
func XKey(original thumbnail.Location) string { return xkey(original.Path) }

// HiddenXKey returns the key of an original whose name answers do not tell.
func HiddenXKey(original thumbnail.Location) string { return digestKey(original.Path) }

// WikiXKey returns the key of a wiki's file, which has one name in the whole wiki.
func WikiXKey(file string) string { return xkey(file) }

// longestXKey bounds a key, as caches get it, in bytes. Swift stores at most 256.
const longestXKey = 250

// xkey returns the key of a name. A long name has its SHA-256 instead.
func xkey(name string) string {
	if key := "File:" + name; len(Printable(key)) <= longestXKey {
		return key
	}
	return digestKey(name)
}

func digestKey(name string) string { return fmt.Sprintf("File:sha256:%x", sha256.Sum256([]byte(name))) }
