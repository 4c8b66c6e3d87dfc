// Package complaint reads what a decoder says when it fails: it takes the last
// error, without what is of this machine alone (paths, programs, places in their
// source), so that a client can be told.
package complaint

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

// longest is the length of a reason in bytes.
const longest = 160

// ours is what stands in a line and means nothing to a client: in the order in which it is
// taken away.
var ours = []*regexp.Regexp{
	regexp.MustCompile(`\[[^\]]* @ 0x[0-9a-f]+\] ?`),                                                                      // ffmpeg's parts
	regexp.MustCompile(` @ (warning|error|fatal)\S*/\S+$`),                                                                // ImageMagick's source
	regexp.MustCompile(` ?\([\w.-]+\.(c|cc|cpp|h|rs):\d+\)`),                                                              // that of others
	regexp.MustCompile("[`'\"]?(file:/)?(/localhost)?(/dev/stdin|/proc/\\S+|(\\.\\./)?in/original)(\\[\\d+\\])?['\"]?:?"), // the original
	regexp.MustCompile("[`'\"]?/(usr|tmp|var|home|root|etc|lib|opt)/[^\\s'\"]*['\"]?:?"),                                  // other paths
	regexp.MustCompile("[`'\"](png(00|8|24|32|48|64)?|ppm|txt):-['\"]"),                                                   // where it writes
	regexp.MustCompile(`^\s*(\*\*\* ?)?(\[\d+-\d+\] ?)?`),                                                                 // DjVuLibre's mark
	regexp.MustCompile(`^((convert|magick|identify)(-im\d\.q\d+)?|ffmpeg|ffprobe|gifsicle|rsvg-convert|ddjvu|djvused|pdfinfo|pdftoppm|jpegtran|optipng): ?`),
	regexp.MustCompile(`^((?i:vips)\w*|\w+(load|save)(_\w+)?|\w+2vips|heif|webp|png|tiff|jpeg|source|buffer): `), // libvips' parts
	regexp.MustCompile(`^((Syntax|I/O|Internal|Command Line) )?(Error|Warning)( \(\d+\))?: `),                    // poppler's
	regexp.MustCompile(`^Error reading SVG (stdin|-)?:? ?`),
}

// empty lines tell nothing of the original; general ones are taken when no other is there.
var (
	empty   = []string{"insecure memory", "no images defined", "conversion failed", "could not be decoded", "unable to open image", "memory allocation failed", "execution_context_info", "operation is blocked", "djvu::"}
	general = []string{"invalid data found when processing input", "libpng read error", "unable to read png header", "read gave", "unable to parse image"}
)

// Last is the last error of a decoder's lines, cleaned; "" when none tells anything.
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

// Reason is Last as an error, nil when there is none.
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

// lacking are words by which decoders say that this machine lacks a part of them.
var lacking = []string{
	"no decode delegate", "not authorized", "unsupported codec", "unsupported compression", "no decoding plugin", "decoder not found", ") not found for input stream",
	"unknown decoder", "unable to open module", "error while loading shared libraries",
	"support for this compression format has not been built in", "compression support is not configured",
}

// Lacks reports whether a decoder complains of this machine and not of the original: a
// library, a plugin or a codec is missing.
func Lacks(text string) bool { return mentions(text, lacking) }

func mentions(text string, words []string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}
