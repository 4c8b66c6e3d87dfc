// Package target is what a URL asks for, whichever grammar it is of: the spec,
// where the thumbnail is kept, and what its answers say beside the picture.
package target

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/fault"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Target is one thumbnail, asked for.
type Target struct {
	Spec        thumbnail.Spec
	Key         thumbnail.Location
	Kin         Kin    // the same thumbnail in other sizes
	XKey        string // names the original for purges at the CDN
	Disposition string // Content-Disposition
	// Private thumbnails are given only to who knows the secret.
	Private bool
	// Skipped are filters that were not applied, each with the reason where it is not that
	// it is unknown or malformed.
	Skipped []string
	// Ignored are the query's parameters that change nothing, as headers can name them.
	Ignored []string
	MaxAge  time.Duration // for which caches may keep the answer
	// AsOf is the time of the upload that the URL names, as MediaWiki's do; zero of others.
	AsOf time.Time
	Vary bool // the answer depends on the request's Accept
	// Stored is set when the answer is an object of the store of originals as it is.
	Stored *thumbnail.Location
	// Redirect is set when the client is to ask for another path.
	Redirect string
	// Wiki says that the URL is MediaWiki's, whose clients expect Wikimedia's headers.
	Wiki bool
}

// Kin is how the paths of one thumbnail's sizes are made, in the container of its key:
// a width, or a width and a height with an x between them, stand after Before.
type Kin struct{ Before, Behind string }

// Size reads the size from the path of a thumbnail of this kin. 0 is in proportion.
func (k Kin) Size(path string) (width, height int, ok bool) {
	rest, before := strings.CutPrefix(path, k.Before)
	rest, behind := strings.CutSuffix(rest, k.Behind)
	wide, high, _ := strings.Cut(rest, "x")
	width, err := strconv.Atoi("0" + wide)
	height, err2 := strconv.Atoi("0" + high)
	return width, height, before && behind && err == nil && err2 == nil && width+height > 0
}

// Base is the spec that both grammars start from.
func Base(r settings.Render) thumbnail.Spec {
	return thumbnail.Spec{
		AsStored: !r.RespectOrientation, KeepEXIF: r.KeepEXIF, Quality: r.Quality, Qualities: maps.Clone(r.Qualities),
		Chroma: r.ChromaSubsampling, Progressive: r.Progressive, MaxAnimatedArea: r.MaxAnimatedArea,
	}
}

// Blacklisted refuses a target that reads an original on the operator's list: by its
// path, or by its container, without a shard, and path.
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
				return fault.New(fault.BadURL, "this image is not served here")
			}
		}
	}
	return nil
}

// Parts gives what a form's named groups match, or nil when it does not match.
func Parts(form *regexp.Regexp, text string) map[string]string {
	found := form.FindStringSubmatch(text)
	if found == nil {
		return nil
	}
	parts := map[string]string{}
	for i, name := range form.SubexpNames() {
		if name != "" {
			parts[name] = found[i]
		}
	}
	return parts
}

// CheckSize refuses sizes beyond what the settings allow.
func CheckSize(s thumbnail.Spec, e settings.Edge) error {
	if s.Width > e.MaxWidth || s.Height > e.MaxHeight {
		return fault.New(fault.BadURL, "the size is too large: at most %d × %d is served", e.MaxWidth, e.MaxHeight)
	}
	if s.Width*s.Height > e.MaxPixels {
		return fault.New(fault.BadURL, "the size is too large: at most %d pixels are served", e.MaxPixels)
	}
	return nil
}

// Disposition gives the header for a thumbnail's file name, which browsers use
// when somebody saves it: the original's name, with the format's extension
// behind it when that is another one. name is the original's, without folders.
func Disposition(name, format string) string {
	ext := name[strings.LastIndex(name, ".")+1:]
	if format != "" && ext != format {
		name += "." + format
	}
	// Space is %20 in a header's extended value, where a query has "+".
	return "inline;filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// Printable percent-encodes what a header cannot hold.
func Printable(text string) string {
	plain := func(b byte) bool { return b > ' ' && b < 0x7f && b != '%' }
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

// XKey names an original for purges at the CDN, in all its sizes and formats.
func XKey(original thumbnail.Location) string { return "File:" + original.Name() }
