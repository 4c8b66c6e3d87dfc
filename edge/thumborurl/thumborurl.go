// Package thumborurl builds and signs Thumbor's URLs, as Thumbor's client libraries
// do in other languages. thumbmill and Thumbor itself serve what it makes.
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
	"strings"

	"github.com/thumbmill/thumbmill/edge/internal/signature"
)

// Original as a width or a height keeps that side as the original has it.
const Original = -1

// Fit says how the picture meets a size.
type Fit string

// The fits. Each may stand with Adaptive.
const (
	Cut   Fit = ""            // to the size, cutting what overlaps
	In    Fit = "fit-in"      // all of the picture within the size
	Cover Fit = "full-fit-in" // all of the picture over the size
)

// Trim cuts off a border of one colour.
type Trim struct {
	BottomRight bool // the colour is the bottom right corner's, not the top left one's
	Tolerance   int  // distance of colours, 0 to 442
}

// Crop is cut out of the original first, in its pixels.
type Crop struct{ Left, Top, Right, Bottom int }

// Options are what a URL asks for. Only Image is needed.
type Options struct {
	Image         string // as the store names it; it is percent-encoded here
	Meta, Debug   bool
	Trim          *Trim
	Crop          *Crop
	Fit           Fit
	Adaptive      bool // exchange the sides of a Fit when that suits the picture
	Width, Height int  // pixels; 0 = in proportion; Original; less counts as 0
	// FlipHorizontal mirrors left and right, FlipVertical top and bottom.
	FlipHorizontal, FlipVertical bool
	HAlign                       string // left or right; "" = centre
	VAlign                       string // top or bottom; "" = middle
	Smart                        bool
	Filters                      []string // such as Filter makes, in their order
}

// Filter writes a filter with its arguments: Filter("rgb", 10, -20, 30).
func Filter(name string, arguments ...any) string {
	texts := make([]string, len(arguments))
	for i, a := range arguments {
		texts[i] = fmt.Sprint(a)
	}
	return name + "(" + strings.Join(texts, ",") + ")"
}

// Path is what follows the signature in the URL.
func (o Options) Path() string {
	// Servers look for these as they are; what follows an encoded one is not read.
	syntax := strings.NewReplacer("%28", "(", "%29", ")", "%7C", "|", "%5B", "[", "%5D", "]", "%3B", ";", "%27", "'")
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
	add(len(o.Filters) > 0, syntax.Replace(escape("filters:"+strings.Join(o.Filters, ":"))))
	return strings.Join(append(parts, escape(o.Image)), "/")
}

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

// escape encodes what cannot stand in a path; slashes stay.
func escape(image string) string {
	return strings.ReplaceAll((&url.URL{Path: image}).EscapedPath(), "//", "/%2F")
}

// Signer makes URLs of a server.
type Signer struct {
	Base string // https://thumbs.example; "" for URLs without a host
	Key  string // the server's security key; "" makes unsafe URLs
}

// URL builds and signs.
func (s Signer) URL(o Options) string { return s.sign(o.Path()) }

// Sign signs a path that was built elsewhere, percent-encoded as it will be sent. An
// "unsafe/" in front of it is taken off.
func (s Signer) Sign(path string) string {
	return s.sign(strings.TrimPrefix(strings.TrimPrefix(path, "/"), "unsafe/"))
}

func (s Signer) sign(path string) string {
	first := "unsafe"
	if s.Key != "" {
		first = signature.Sign(s.Key, path)
	}
	return strings.TrimSuffix(s.Base, "/") + "/" + first + "/" + path
}
