// Package thumbnail describes a thumbnail: the spec, which holds everything
// that changes its bytes, the types of originals and formats of thumbnails, and
// the storage key under which one is kept.
//
// The edge makes a spec from a URL, a job carries it, and the renderer draws
// it. Two URLs that mean the same picture give the same spec.
package thumbnail

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf16"
)

// RulesVersion is the version of the rules by which a spec becomes a picture.
// It rises when the same spec would give other bytes than before, and is kept
// in the metadata of every stored thumbnail.
const RulesVersion = 7

// Location names an object in an object store.
type Location struct {
	Container string `json:"container,omitempty"` // "" is the store's default container
	Path      string `json:"path"`                // never absolute, never with "..", UTF-8; or an http(s) URL, without a container
}

// IsURL reports whether the location is another site's.
func (l Location) IsURL() bool {
	return l.Container == "" && (strings.HasPrefix(l.Path, "http://") || strings.HasPrefix(l.Path, "https://"))
}

// Name is the file's own name: behind the last slash, and before a URL's query.
func (l Location) Name() string {
	name := l.Path
	if l.IsURL() {
		name, _, _ = strings.Cut(name, "?")
	}
	return name[strings.LastIndex(name, "/")+1:]
}

// String gives container/path, for logs and keys.
func (l Location) String() string {
	if l.Container == "" {
		return l.Path
	}
	return l.Container + "/" + l.Path
}

// Fit says how a picture meets a box of width × height.
type Fit string

// The ways to meet a box; Thumbor's words.
const (
	FitCover Fit = ""     // fill the box, cut what overlaps
	FitIn    Fit = "in"   // largest picture inside the box, never enlarged
	FitFull  Fit = "full" // smallest picture that covers the box, nothing cut
)

// Rect is a rectangle in pixels, right and bottom exclusive. Coordinates may
// lie outside of the picture: they are clipped when the picture is known.
type Rect struct {
	Left   int `json:"l"`
	Top    int `json:"t"`
	Right  int `json:"r"`
	Bottom int `json:"b"`
}

// Trim cuts a uniform border off the original before anything else.
type Trim struct {
	Corner    string `json:"corner"`    // top-left or bottom-right: whose colour the border has
	Tolerance int    `json:"tolerance"` // distance between colours, 0…442 (Euclidean in RGB)
}

// Sharpen is Wikimedia's conditional_sharpen: an unsharp mask that is applied
// only when the picture became much smaller.
type Sharpen struct {
	Radius    float64 `json:"radius"`    // 0 = derived from sigma
	Sigma     float64 `json:"sigma"`     // of the Gauss kernel, pixels
	Amount    float64 `json:"amount"`    // share of the difference that is added
	Threshold float64 `json:"threshold"` // differences below this share of the range are left
	Ratio     float64 `json:"ratio"`     // applied when (w+h)/(W+H) is below this
}

// Spec is the canonical description of one thumbnail. Zero values mean "not
// asked for", so that a field added later leaves older specs' digests alone.
type Spec struct {
	Original Location `json:"original"`
	Type     Type     `json:"type"` // by the original's name; the renderer checks the bytes

	Format Format `json:"format,omitempty"` // "" = the one that suits the original
	Width  int    `json:"width,omitempty"`  // pixels; 0 = in proportion to the height
	Height int    `json:"height,omitempty"` // pixels; 0 = in proportion to the width
	// OriginalWidth and OriginalHeight keep that side as it is (Thumbor's "orig").
	OriginalWidth  bool `json:"original_width,omitempty"`
	OriginalHeight bool `json:"original_height,omitempty"`

	Fit      Fit  `json:"fit,omitempty"`
	Adaptive bool `json:"adaptive,omitempty"` // swap width and height when that suits the original better
	Enlarge  bool `json:"enlarge,omitempty"`  // a bitmap may become larger than its original
	// NoUpscale makes each side of the box at most the original's (Thumbor's no_upscale).
	NoUpscale bool `json:"no_upscale,omitempty"`
	// HalfToEven rounds sizes as Thumbor does; MediaWiki rounds halves up.
	HalfToEven bool `json:"half_to_even,omitempty"`
	// AsStored leaves the original as EXIF's orientation has it.
	AsStored bool   `json:"as_stored,omitempty"`
	Crop     *Rect  `json:"crop,omitempty"` // of the upright original, before the resize
	Trim     *Trim  `json:"trim,omitempty"`
	Stretch  bool   `json:"stretch,omitempty"` // to the box, cutting nothing
	HAlign   string `json:"halign,omitempty"`  // left, right; "" = centre
	VAlign   string `json:"valign,omitempty"`  // top, bottom; "" = middle
	Smart    bool   `json:"smart,omitempty"`   // cut by attention instead of alignment
	Focal    []Rect `json:"focal,omitempty"`   // what a cut keeps in its middle, before Smart and alignment
	FlipX    bool   `json:"flip_x,omitempty"`  // mirror left and right
	FlipY    bool   `json:"flip_y,omitempty"`  // mirror top and bottom

	Page       int         `json:"page,omitempty"`        // 1 = first; seconds for video; 0 = the default one
	FirstFrame bool        `json:"first_frame,omitempty"` // of a video: second 0 was asked for, which Page cannot say
	Lang       string      `json:"lang,omitempty"`        // of an SVG's text
	Sharpen    *Sharpen    `json:"sharpen,omitempty"`
	Operations []Operation `json:"operations,omitempty"`

	// Exact: it is rendered from the original itself, never from a larger thumbnail.
	Exact bool `json:"exact,omitempty"`
	// Intermediate: other thumbnails are rendered from it, and so it is written in little time
	// rather than in few bytes.
	Intermediate bool `json:"intermediate,omitempty"`

	Meta  bool `json:"meta,omitempty"`  // what would be done, as JSON, instead of the picture
	Debug bool `json:"debug,omitempty"` // frames the focal points instead of cutting and resizing

	// Prefer lists formats that the client takes rather than the original's own, best
	// first: the first that the picture can have is used.
	Prefer []Format `json:"prefer,omitempty"`
	// PNGToJPEG makes a JPEG of a PNG without transparency.
	PNGToJPEG bool `json:"png_to_jpeg,omitempty"`
	MaxBytes  int  `json:"max_bytes,omitempty"` // of a lossy format, by less quality; 0 = any
	KeepEXIF  bool `json:"keep_exif,omitempty"` // all of it, not only who made it
	StripEXIF bool `json:"strip_exif,omitempty"`
	StripICC  bool `json:"strip_icc,omitempty"`

	Quality         int       `json:"quality"`            // 1…100, of lossy formats
	Qualities       Qualities `json:"-"`                  // of those that have their own; MarshalJSON writes them
	Chroma          string    `json:"chroma_subsampling"` // 4:2:0 or 4:4:4, of JPEG
	Progressive     bool      `json:"progressive,omitempty"`
	MaxAnimatedArea int64     `json:"max_animated_area,omitempty"` // pixels over all frames; more: the first frame
}

// Canonical is the spec as JSON in ASCII, which headers can hold.
func (s Spec) Canonical() string {
	var out strings.Builder
	for _, r := range string(s.json()) {
		switch {
		case r < 0x80:
			out.WriteRune(r)
		case r < 0x10000:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		}
	}
	return out.String()
}

func (s Spec) json() []byte {
	canonical, err := s.MarshalJSON()
	if err != nil {
		panic("thumbnail: a spec holds only plain values: " + err.Error())
	}
	return canonical
}

// Digest is a short name of the spec: 22 characters of base64url, 128 bits of
// a SHA-256 over its canonical JSON.
func (s Spec) Digest() string {
	sum := sha256.Sum256(s.json())
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
