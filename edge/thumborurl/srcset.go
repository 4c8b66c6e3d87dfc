package thumborurl

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// Set describes the URLs of one picture in several widths, for browsers to choose from.
type Set struct {
	Options Options  // of each URL; Width and Height give the ratio, and the width of the picture without a choice
	Widths  []int    // in pixels
	Formats []string // in the order in which browsers try them, such as avif, webp; the last choice is the original's own
	Sizes   string   // the width of the picture on the page, as in the attribute sizes; "" means 100vw
	Alt     string   // the text in place of the picture
}

// SrcSet returns the attribute srcset for a format: each URL with its width. "" means the original's own format.
func (s Signer) SrcSet(set Set, format string) string {
	var all []string
	for _, width := range set.Widths {
		all = append(all, fmt.Sprintf("%s %dw", s.URL(set.at(width, format)), width))
	}
	return strings.Join(all, ", ")
}

// at returns the options of one width, with the height in the ratio of the set.
func (set Set) at(width int, format string) Options {
	o := set.Options
	if o.Width > 0 && o.Height > 0 {
		o.Height = max(1, (o.Height*width+o.Width/2)/o.Width)
	}
	o.Width = width
	if format != "" {
		o.Filters = append(slices.Clone(o.Filters), Filter("format", format))
	}
	return o
}

// Picture returns the element picture: a source for each format, and an img with the widths in the original's own format.
func (s Signer) Picture(set Set) string {
	sizes := set.Sizes
	if sizes == "" {
		sizes = "100vw"
	}
	var out strings.Builder
	out.WriteString("<picture>\n")
	for _, format := range set.Formats {
		fmt.Fprintf(&out, "  <source type=\"image/%s\" srcset=\"%s\" sizes=\"%s\">\n", html.EscapeString(mediaType(format)), html.EscapeString(s.SrcSet(set, format)), html.EscapeString(sizes))
	}
	plain := set.Options.Width
	if plain <= 0 && len(set.Widths) > 0 {
		plain = slices.Max(set.Widths)
	}
	o := set.at(plain, "")
	size := fmt.Sprintf(" width=\"%d\"", o.Width)
	if o.Height > 0 {
		size += fmt.Sprintf(" height=\"%d\"", o.Height)
	}
	fmt.Fprintf(&out, "  <img src=\"%s\" srcset=\"%s\" sizes=\"%s\"%s alt=\"%s\" loading=\"lazy\">\n</picture>\n",
		html.EscapeString(s.URL(o)), html.EscapeString(s.SrcSet(set, "")), html.EscapeString(sizes), size, html.EscapeString(set.Alt))
	return out.String()
}

// mediaType returns the subtype of a format in media types.
func mediaType(format string) string {
	if format == "jpg" {
		return "jpeg"
	}
	return format
}
