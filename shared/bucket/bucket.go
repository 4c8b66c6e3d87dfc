// Package bucket has the rules of thumbnail buckets (MediaWiki's $wgThumbnailBuckets): a bucket is
// a larger thumbnail of a slow original, and smaller thumbnails are rendered from it.
//
// A bucket lies in the store beside the other thumbnails of its original, so that a purge and a
// list find it. No URL asks for it. Its key names its spec with page, language and orientation,
// so that thumbnails from the bucket show the same picture.
//
// The edge writes the width of the bucket into a job, and looks for the bucket before it asks for
// places. The renderer makes the bucket and renders from it.
package bucket

import (
	"path"
	"slices"
	"strconv"

	"github.com/thumbmill/thumbmill/shared/objectstore"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	// LeastRatio is the smallest ratio of a bucket's width to a thumbnail's width: below it,
	// the losses of the bucket's encoder are visible.
	LeastRatio = 2
	// quality is the quality of a lossy bucket. TestBucketsAreAlike of the engine compares
	// thumbnails from buckets with thumbnails from originals.
	quality = 95
)

// Bucket is one larger thumbnail.
type Bucket struct {
	Spec thumbnail.Spec
	Key  thumbnail.Location
}

// Width returns the width of a spec's bucket: the smallest of the rising widths that is at least
// LeastRatio times the spec's width. It returns 0 if no width is large enough, or if the spec
// needs the pixels of the original.
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

// isPlain reports whether a spec asks for the whole picture in a smaller size, without operations
// that need the pixels of the original.
func isPlain(s thumbnail.Spec) bool {
	proportional := s.Height == 0 && s.Fit == thumbnail.FitCover || s.Fit == thumbnail.FitIn
	asked := s.Width > 0 && !s.OriginalWidth && !s.OriginalHeight && !s.Adaptive && !s.Stretch
	changed := s.Storyboard != nil || s.Crop != nil || s.Resize != nil || s.Trim != nil || s.FlipX || s.FlipY || len(s.Operations) > 0 || s.StripICC
	page := s.Type == thumbnail.TypePDF && (s.Height > 0 || s.Sharpen != nil) // whose raster depends on these
	return proportional && asked && !changed && !page && !s.Exact && !s.Described() && !s.Debug && hasBuckets(s.Type) && sharpensAlike(s.Sharpen)
}

// hasBuckets is false for drawings, which are drawn at each size, for animations, and for types
// without a picture.
func hasBuckets(t thumbnail.Type) bool {
	switch t {
	case thumbnail.TypeSVG, thumbnail.TypeSTL, thumbnail.TypeGIF, thumbnail.TypeAudio, thumbnail.TypeUnknown, "":
		return false
	}
	return true
}

// sharpensAlike reports whether a conditional sharpen has the same result for a reduction of the
// bucket and of the original.
func sharpensAlike(s *thumbnail.Sharpen) bool {
	return s == nil || s.Ratio > 1.0/LeastRatio
}

// Of returns the bucket with a width for a thumbnail with a spec and a key.
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

// IsIn reports whether a stored object is this bucket, for this version of the original and by
// today's rules. It returns false for version "".
func (b Bucket) IsIn(found objectstore.Meta, version string) bool {
	return version != "" && found.OriginalVersion == version && found.SpecDigest == b.Spec.Digest() &&
		found.Rules == thumbnail.RulesVersion && found.Sides.Known()
}
