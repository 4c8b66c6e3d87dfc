package thumbnail

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
)

// RulesVersion is the version of the rules that make a picture from a spec. Raise it when a spec gives
// other bytes than before. Each stored thumbnail has it in its metadata.
const RulesVersion = 8

// Location names an object in an object store.
type Location struct {
	Container string `json:"container,omitempty"` // "" = the store's default container
	Path      string `json:"path"`                // never absolute, never with "..", UTF-8; or an http(s) URL, without a container
}

// IsURL reports whether the location is the URL of another site.
func (l Location) IsURL() bool {
	return l.Container == "" && (strings.HasPrefix(l.Path, "http://") || strings.HasPrefix(l.Path, "https://"))
}

// Name returns the file's own name: after the last slash, and without a URL's query.
func (l Location) Name() string {
	name := l.Path
	if l.IsURL() {
		name, _, _ = strings.Cut(name, "?")
	}
	return name[strings.LastIndex(name, "/")+1:]
}

// String returns container/path, for logs and keys.
func (l Location) String() string {
	if l.Container == "" {
		return l.Path
	}
	return l.Container + "/" + l.Path
}

// Fit is the way to fit a picture into a box of width × height.
type Fit string

// The ways to fit, in Thumbor's words.
const (
	FitCover Fit = ""     // fill the box, cut the overlap
	FitIn    Fit = "in"   // largest picture inside the box, never enlarged
	FitFull  Fit = "full" // smallest picture that covers the box, nothing cut
)

// Rect is a rectangle in pixels, right and bottom exclusive. Its coordinates may be outside of the
// picture: the renderer clips them.
type Rect struct {
	Left   int `json:"l"`
	Top    int `json:"t"`
	Right  int `json:"r"`
	Bottom int `json:"b"`
}

// Trim cuts a uniform border off the original before any other step.
type Trim struct {
	Corner    string `json:"corner"`    // top-left or bottom-right: the corner with the border's colour
	Tolerance int    `json:"tolerance"` // distance between colours, 0…442 (Euclidean in RGB)
}

// Storyboard arranges frames of a video, at equal distances of time, in rows. The first frames are in the top row.
type Storyboard struct {
	Columns int `json:"columns"` // 1 to MaxStoryboard
	Rows    int `json:"rows"`    // 1 to MaxStoryboard
}

// MaxStoryboard bounds the columns and the rows of a storyboard: each frame costs a search in the video.
const MaxStoryboard = 5

// Sharpen is Wikimedia's conditional_sharpen: an unsharp mask for pictures that became much smaller.
type Sharpen struct {
	Radius    float64 `json:"radius"`    // 0 = derived from sigma
	Sigma     float64 `json:"sigma"`     // of the Gauss kernel, pixels
	Amount    float64 `json:"amount"`    // share of the difference to add
	Threshold float64 `json:"threshold"` // smaller differences, as a share of the range, stay
	Ratio     float64 `json:"ratio"`     // sharpen if (w+h)/(W+H) is below this
}

// Spec is the canonical description of one thumbnail. Zero values mean "not requested": a new field
// does not change the digests of older specs.
type Spec struct {
	Original Location `json:"original"`
	Type     Type     `json:"type"` // by the original's name; the renderer checks the bytes

	Format Format `json:"format,omitempty"` // "" = the format that suits the original
	Width  int    `json:"width,omitempty"`  // pixels; 0 = in proportion to the height
	Height int    `json:"height,omitempty"` // pixels; 0 = in proportion to the width
	// OriginalWidth and OriginalHeight keep that side unchanged (Thumbor's "orig").
	OriginalWidth  bool `json:"original_width,omitempty"`
	OriginalHeight bool `json:"original_height,omitempty"`

	Fit      Fit  `json:"fit,omitempty"`
	Adaptive bool `json:"adaptive,omitempty"` // swap width and height if that suits the original better
	Enlarge  bool `json:"enlarge,omitempty"`  // a bitmap may become larger than its original
	// NoUpscale limits each side of the box to the original's side (Thumbor's no_upscale).
	NoUpscale bool `json:"no_upscale,omitempty"`
	// HalfToEven rounds sizes like Thumbor. MediaWiki rounds halves up.
	HalfToEven bool `json:"half_to_even,omitempty"`
	// AsStored ignores EXIF's orientation.
	AsStored bool   `json:"as_stored,omitempty"`
	Crop     *Rect  `json:"crop,omitempty"` // of the upright original, before the resize
	Trim     *Trim  `json:"trim,omitempty"`
	Stretch  bool   `json:"stretch,omitempty"` // stretch to the box without a cut
	HAlign   string `json:"halign,omitempty"`  // left, right; "" = centre
	VAlign   string `json:"valign,omitempty"`  // top, bottom; "" = middle
	Smart    bool   `json:"smart,omitempty"`   // cut by attention instead of alignment
	Focal    []Rect `json:"focal,omitempty"`   // area that a cut keeps in its middle, before Smart and alignment
	// Faces says that Focal holds faces that a renderer found. No URL sets it.
	Faces  bool    `json:"faces,omitempty"`
	Resize *Resize `json:"resize,omitempty"`
	FlipX  bool    `json:"flip_x,omitempty"` // mirror left and right
	FlipY  bool    `json:"flip_y,omitempty"` // mirror top and bottom

	Page       int         `json:"page,omitempty"`        // 1 = first; seconds for video; 0 = the default
	FirstFrame bool        `json:"first_frame,omitempty"` // of a video: second 0 was requested, which Page cannot express
	Storyboard *Storyboard `json:"storyboard,omitempty"`  // of a video: several frames
	Lang       string      `json:"lang,omitempty"`        // of an SVG's text
	Sharpen    *Sharpen    `json:"sharpen,omitempty"`
	Operations []Operation `json:"operations,omitempty"`

	// Exact renders from the original itself, never from a larger thumbnail.
	Exact bool `json:"exact,omitempty"`
	// Intermediate says that other thumbnails are rendered from this one: it is written quickly, not
	// small.
	Intermediate bool `json:"intermediate,omitempty"`

	Meta  bool `json:"meta,omitempty"`  // a JSON description of the work instead of the picture
	Debug bool `json:"debug,omitempty"` // draw frames around the focal points instead of cutting and resizing

	// Placeholder asks for a JSON description of the thumbnail's colours instead of the picture.
	Placeholder bool `json:"placeholder,omitempty"`

	// Prefer lists formats that the client prefers to the original's own, the best first. The renderer
	// uses the first that the picture can have.
	Prefer []Format `json:"prefer,omitempty"`
	// PNGToJPEG turns a PNG without transparency into a JPEG.
	PNGToJPEG bool `json:"png_to_jpeg,omitempty"`
	MaxBytes  int  `json:"max_bytes,omitempty"` // of a lossy format, by a lower quality; 0 = no bound
	KeepEXIF  bool `json:"keep_exif,omitempty"` // all of it, not only the author's
	StripEXIF bool `json:"strip_exif,omitempty"`
	StripICC  bool `json:"strip_icc,omitempty"`

	Quality         int       `json:"quality"`            // 1…100, of lossy formats
	Qualities       Qualities `json:"-"`                  // of formats with their own quality; MarshalJSON writes them
	Chroma          string    `json:"chroma_subsampling"` // 4:2:0 or 4:4:4, of JPEG
	Progressive     bool      `json:"progressive,omitempty"`
	MaxAnimatedArea int64     `json:"max_animated_area,omitempty"` // pixels over all frames; above it only the first frame is drawn
}

// Described reports whether the answer describes the thumbnail in JSON.
func (s Spec) Described() bool { return s.Meta || s.Placeholder }

// Canonical returns the spec as JSON in ASCII, for headers.
func (s Spec) Canonical() string { return inASCII(s.json()) }

// CanonicalAndDigest returns the results of Canonical and of Digest.
func (s Spec) CanonicalAndDigest() (canonical, digest string) {
	text := s.json()
	return inASCII(text), digestOf(text)
}

// inASCII escapes all other characters in a JSON text.
func inASCII(text []byte) string {
	if !slices.ContainsFunc(text, func(b byte) bool { return b >= 0x80 }) {
		return string(text)
	}
	var out strings.Builder
	for _, r := range string(text) {
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

// Digest returns a short name of the spec: 22 characters of base64url, 128 bits of a SHA-256 of its
// canonical JSON.
func (s Spec) Digest() string { return digestOf(s.json()) }

func digestOf(canonical []byte) string {
	sum := sha256.Sum256(canonical)
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}
