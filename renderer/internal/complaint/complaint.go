// Package complaint reads a decoder's messages after a failure. It takes the last error and removes the details of
// this machine (paths, programs, places in source code), so that a client may read it.
package complaint

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// longest bounds a reason, in bytes.
const longest = 160

// ours matches the parts of a line that mean nothing to a client. clean removes them in this order.
var ours = []*regexp.Regexp{
	regexp.MustCompile(`\[[^\]]* @ 0x[0-9a-f]+\] ?`),                                                                      // ffmpeg's parts
	regexp.MustCompile(` @ (warning|error|fatal)\S*/\S+$`),                                                                // ImageMagick's source
	regexp.MustCompile(` ?\([\w.-]+\.(c|cc|cpp|h|rs):\d+\)`),                                                              // source of other programs
	regexp.MustCompile("[`'\"]?(file:/)?(/localhost)?(/dev/stdin|/proc/\\S+|(\\.\\./)?in/original)(\\[\\d+\\])?['\"]?:?"), // the original
	regexp.MustCompile("[`'\"]?/(usr|tmp|var|home|root|etc|lib|opt)/[^\\s'\"]*['\"]?:?"),                                  // other paths
	regexp.MustCompile("[`'\"](png(00|8|24|32|48|64)?|ppm|txt):-['\"]"),                                                   // the output
	regexp.MustCompile(`^\s*(\*\*\* ?)?(\[\d+-\d+\] ?)?`),                                                                 // DjVuLibre's mark
	regexp.MustCompile(`^((convert|magick|identify)(-im\d\.q\d+)?|ffmpeg|ffprobe|gifsicle|rsvg-convert|ddjvu|djvused|pdfinfo|pdftoppm|jpegtran|optipng): ?`),
	regexp.MustCompile(`^((?i:vips)\w*|\w+(load|save)(_\w+)?|\w+2vips|heif|webp|png|tiff|jpeg|source|buffer): `), // libvips' parts
	regexp.MustCompile(`^((Syntax|I/O|Internal|Command Line) )?(Error|Warning)( \(\d+\))?: `),                    // poppler's
	regexp.MustCompile(`^Error (reading|rendering) SVG (stdin|-)?:? ?(rendering error: )?`),
	regexp.MustCompile(`\bstdin `), // in librsvg's "The SVG stdin has no dimensions"
}

// Lines with a word of empty say nothing about the original. Last takes a line of general only if it finds no better
// line.
var (
	empty   = []string{"insecure memory", "no images defined", "conversion failed", "could not be decoded", "unable to open image", "memory allocation failed", "execution_context_info", "operation is blocked", "djvu::", "rust_backtrace", "stack backtrace"}
	general = []string{"invalid data found when processing input", "libpng read error", "unable to read png header", "read gave", "unable to parse image"}
)

// Last returns the last error in a decoder's messages, cleaned and at most longest bytes, or "" without a useful
// line.
func Last(text string) string {
	fallback := ""
	for _, line := range slices.Backward(strings.Split(text, "\n")) {
		line = clean(line)
		switch {
		case line == "" || mentions(line, empty):
		case !mentions(line, general):
			return line
		case fallback == "":
			fallback = line
		}
	}
	return fallback
}

// Reason returns Last as an error, or nil without a useful line.
func Reason(text string) error {
	if last := Last(text); last != "" {
		return errors.New(last)
	}
	return nil
}

func clean(line string) string {
	line = strings.ToValidUTF8(line, "")
	for _, pattern := range ours {
		line = pattern.ReplaceAllString(line, "")
	}
	line = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, line)
	line = strings.Trim(strings.Join(strings.Fields(line), " "), " .,:;!")
	if len(line) > longest {
		line = strings.ToValidUTF8(line[:longest], "")
	}
	return line
}

// lacking holds phrases of decoders for a missing library, plugin or codec.
var lacking = []string{
	"no decode delegate", "not authorized", "unsupported codec", "unsupported compression", "no decoding plugin", "decoder not found", ") not found for input stream",
	"unknown decoder", "unable to open module", "error while loading shared libraries",
	"support for this compression format has not been built in", "compression support is not configured",
}

// Lacks reports whether a decoder complains about this machine instead of the original: a library, a plugin or a
// codec is missing.
func Lacks(text string) bool { return mentions(text, lacking) }

func mentions(text string, words []string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}
