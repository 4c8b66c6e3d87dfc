// Package thumborurl builds and signs Thumbor's URLs, as Thumbor's client libraries
// do in other languages. thumbmill and Thumbor serve these URLs.
//
//	signer := thumborurl.Signer{Base: "https://thumbs.example", Key: key}
//	url := signer.URL(thumborurl.Options{
//		Image: "cats/a cat.jpg", Width: 300, Height: 200, Smart: true,
//		Filters: []string{thumborurl.Filter("blur", 3), "format(webp)"},
//	})
package thumborurl

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/edge/internal/signature"
	"github.com/thumbmill/thumbmill/edge/internal/syntax"
)

// Original, as a width or a height, keeps the length of the original's side.
const Original = -1

// Fit says how the picture is fitted to a size.
type Fit string

// The fits. Adaptive changes In and Cover.
const (
	Cut   Fit = ""            // fills the size, and cuts off the rest of the picture
	In    Fit = "fit-in"      // the whole picture, at most the size
	Cover Fit = "full-fit-in" // the whole picture, at least the size
)

// Trim cuts off a border of one colour.
type Trim struct {
	BottomRight bool // take the colour from the bottom right corner; false: from the top left one
	Tolerance   int  // the distance up to which colours count as equal, 0 to 442
}

// Crop is a part of the original, in the original's pixels; servers cut it out first.
type Crop struct{ Left, Top, Right, Bottom int }

// Options describe the thumbnail of a URL. Only Image is required.
type Options struct {
	Image         string // the original's name in the store; Path percent-encodes it
	Meta, Debug   bool
	Trim          *Trim
	Crop          *Crop
	Fit           Fit
	Adaptive      bool // exchange Width and Height when the picture is wide and the size tall, or the reverse
	Width, Height int  // pixels; 0: in proportion; or Original; other negative values count as 0
	// FlipHorizontal mirrors left and right, FlipVertical top and bottom.
	FlipHorizontal, FlipVertical bool
	HAlign                       string // left or right; "": centre
	VAlign                       string // top or bottom; "": middle
	Smart                        bool
	Filters                      []string // in the order in which they apply; Filter writes one
	// Expires is the time from which thumbmill refuses the URL, in whole milliseconds; zero means no end.
	Expires time.Time
}

// Filter returns a filter with its arguments: Filter("rgb", 10, -20, 30) is "rgb(10,-20,30)".
func Filter(name string, arguments ...any) string {
	texts := make([]string, len(arguments))
	for i, a := range arguments {
		texts[i] = fmt.Sprint(a)
	}
	return name + "(" + strings.Join(texts, ",") + ")"
}

// Path returns the part of the URL after the signature, percent-encoded.
func (o Options) Path() string {
	// Servers look for these characters unencoded, and ignore the text after an encoded one.
	literal := strings.NewReplacer("%28", "(", "%29", ")", "%7C", "|", "%5B", "[", "%5D", "]", "%3B", ";", "%27", "'")
	var parts []string
	add := func(on bool, part string) {
		if on {
			parts = append(parts, part)
		}
	}
	add(o.Debug, "debug")
	add(o.Meta, "meta")
	add(o.Trim != nil, o.trim())
	add(o.Crop != nil, o.crop())
	add(o.Fit != Cut, o.fit())
	add(o.Width != 0 || o.Height != 0 || o.FlipHorizontal || o.FlipVertical, o.size())
	add(o.HAlign != "", o.HAlign)
	add(o.VAlign != "", o.VAlign)
	add(o.Smart, "smart")
	filters := o.Filters
	if !o.Expires.IsZero() {
		filters = append(slices.Clone(filters), expire(o.Expires))
	}
	add(len(filters) > 0, literal.Replace(escape("filters:"+strings.Join(filters, ":"))))
	return strings.Join(append(parts, escape(o.Image)), "/")
}

// expire returns the filter that ends a URL.
func expire(at time.Time) string { return Filter("expire", at.UnixMilli()) }

func (o Options) trim() string {
	if o.Trim == nil || *o.Trim == (Trim{}) {
		return "trim"
	}
	corner := "top-left"
	if o.Trim.BottomRight {
		corner = "bottom-right"
	}
	if o.Trim.Tolerance == 0 {
		return "trim:" + corner
	}
	return fmt.Sprintf("trim:%s:%d", corner, o.Trim.Tolerance)
}

func (o Options) crop() string {
	if o.Crop == nil {
		return ""
	}
	return fmt.Sprintf("%dx%d:%dx%d", o.Crop.Left, o.Crop.Top, o.Crop.Right, o.Crop.Bottom)
}

func (o Options) fit() string {
	if o.Adaptive {
		return "adaptive-" + string(o.Fit)
	}
	return string(o.Fit)
}

func (o Options) size() string {
	return length(o.FlipHorizontal, o.Width) + "x" + length(o.FlipVertical, o.Height)
}

func length(flipped bool, pixels int) string {
	text := fmt.Sprint(max(0, pixels))
	if pixels == Original {
		text = "orig"
	}
	if flipped {
		return "-" + text
	}
	return text
}

// escape percent-encodes an image's name for a path. It encodes the second of two slashes, and no
// other slash.
func escape(image string) string {
	return strings.ReplaceAll((&url.URL{Path: image}).EscapedPath(), "//", "/%2F")
}

// Signer makes URLs for one server.
type Signer struct {
	Base string // such as https://thumbs.example; "" makes URLs without a host
	Key  string // the server's security key; "" makes unsafe URLs
	// Algorithm is the hash of the signatures: sha1, sha256 or sha512; "" means sha1, which Thumbor checks.
	Algorithm string
	Truncate  int // characters of a signature, as imagor truncates them; 0 means all
}

// URL returns the signed URL of the options.
func (s Signer) URL(o Options) string { return s.sign(o.Path()) }

// Sign returns the signed URL of a path, which must be percent-encoded as clients send it. It
// removes a leading "unsafe/".
func (s Signer) Sign(path string) string {
	return s.sign(strings.TrimPrefix(strings.TrimPrefix(path, "/"), "unsafe/"))
}

// SignUntil is Sign for a URL that thumbmill refuses from a time on. The time has whole milliseconds.
func (s Signer) SignUntil(path string, end time.Time) string {
	path = strings.TrimPrefix(strings.TrimPrefix(path, "/"), "unsafe/")
	return s.sign(syntax.Path().WithFilter(path, expire(end)))
}

func (s Signer) sign(path string) string {
	first := "unsafe"
	if s.Key != "" {
		first = signature.Key{Secret: s.Key, Algorithm: s.Algorithm, Length: s.Truncate}.Sign(path)
	}
	return strings.TrimSuffix(s.Base, "/") + "/" + first + "/" + path
}
