// Package bucket is the rules of thumbnail buckets, MediaWiki's $wgThumbnailBuckets: a
// larger thumbnail of an original that takes long, from which smaller ones are rendered.
//
// A bucket is an ordinary thumbnail in the store, beside those of its original, so that
// a purge and a list find it there; no URL asks for it. Its key names its spec, which
// has the page, the language and the orientation: what is rendered from it shows the same.
//
// The edge names the bucket's width in a job, and looks for the bucket before it asks for
// places; the renderer makes it and renders from it.
package bucket

import (
	"path"
	"slices"
	"strconv"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// LeastRatio is how many times wider than a thumbnail its bucket is at least: below,
	// what the bucket's encoder lost shows.
	LeastRatio = 2
	// quality of a bucket that is lossy. TestBucketsAreAlike of the engine holds what is
	// rendered from one to its similarity.
	quality = 95
)

// Bucket is one larger thumbnail.
type Bucket struct {
	Spec thumbnail.Spec
	Key  thumbnail.Location
}

// Width chooses the bucket of a spec: the narrowest of the rising widths that is
// LeastRatio times as wide. 0 is none: no width suits, or the spec is not plain.
func Width(s thumbnail.Spec, widths []int) int {
	if len(widths) == 0 || !isPlain(s) {
		return 0
	}
	i := slices.IndexFunc(widths, func(w int) bool { return w >= LeastRatio*s.Width })
	if i < 0 {
		return 0
	}
	return widths[i]
}

// isPlain reports whether a spec asks for the whole picture, smaller, and for nothing that
// needs the original's own pixels.
func isPlain(s thumbnail.Spec) bool {
	proportional := s.Height == 0 && s.Fit == thumbnail.FitCover || s.Fit == thumbnail.FitIn
	asked := s.Width > 0 && !s.OriginalWidth && !s.OriginalHeight && !s.Adaptive && !s.Stretch
	changed := s.Crop != nil || s.Trim != nil || s.FlipX || s.FlipY || len(s.Operations) > 0 || s.StripICC
	page := s.Type == thumbnail.TypePDF && (s.Height > 0 || s.Sharpen != nil) // whose raster depends on these
	return proportional && asked && !changed && !page && !s.Exact && !s.Meta && !s.Debug && hasBuckets(s.Type) && sharpensAlike(s.Sharpen)
}

// hasBuckets leaves out what is drawn at the size that is asked for, animations, and what
// is no picture.
func hasBuckets(t thumbnail.Type) bool {
	switch t {
	case thumbnail.TypeSVG, thumbnail.TypeSTL, thumbnail.TypeGIF, thumbnail.TypeAudio, thumbnail.TypeUnknown, "":
		return false
	}
	return true
}

// sharpensAlike reports whether a conditional sharpen that is due for a reduction of the
// bucket is due for one of the original, which is larger.
func sharpensAlike(s *thumbnail.Sharpen) bool {
	return s == nil || s.Ratio > 1.0/LeastRatio
}

// Of is the bucket of a width for a thumbnail that is kept under a key.
func Of(s thumbnail.Spec, key thumbnail.Location, width int) Bucket {
	b := Bucket{Spec: thumbnail.Spec{
		Original: s.Original, Type: s.Type, Page: s.Page, FirstFrame: s.FirstFrame, Lang: s.Lang,
		Width: width, NoUpscale: true, AsStored: s.AsStored, KeepEXIF: s.KeepEXIF,
		Intermediate: true, Quality: quality, Chroma: s.Chroma,
	}}
	b.Key = thumbnail.Location{
		Container: key.Container,
		Path:      path.Dir(key.Path) + "/bucket-" + strconv.Itoa(width) + "px-" + b.Spec.Digest(),
	}
	return b
}

// IsIn reports whether what is kept under the bucket's key is the bucket of this version of
// its original, by today's rules. Of a version that is not known nothing is.
func (b Bucket) IsIn(found objectstore.Meta, version string) bool {
	return version != "" && found.OriginalVersion == version && found.SpecDigest == b.Spec.Digest() &&
		found.Rules == thumbnail.RulesVersion && found.Sides.Known()
}
