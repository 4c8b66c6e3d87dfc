// Package filters compiles the text of Thumbor's and Wikimedia's filters into a spec.
//
// It reads as Thumbor reads. It splits the text at "):", and matches the start of each call with
// an expression made of the kinds of the filter's arguments. It skips a call that is unknown or
// does not match. Thumbor skips silently; this package returns the names of the skipped filters.
// It leaves out a filter that changes nothing, so that texts with the same result have the same
// spec. Go's expressions take linear time, so no text is slow here; Thumbor's expression for
// convolution took exponential time.
package filters

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// maxFilters bounds the filters of one URL.
const maxFilters = 64

// expiry is the name of the filter that ends a URL. No list of filters turns it off.
const expiry = "expire"

// The kinds of arguments, with Thumbor's expressions.
const (
	positive    = `\d+`
	nonZero     = `\d*[1-9]\d*`
	number      = `-?\d+`
	decimal     = `-?(?:\d+\.?\d*|\d*\.?\d+)`
	boolean     = `[Tt]rue|[Ff]alse|1|0`
	text        = `(?:'.+?')|(?:[^,]+?)`
	word        = `\w+`
	radii       = `\d+(?:\|\d+)?`
	position    = `(?:-?\d+p?)|center|repeat`
	place       = `(?:-?\d+p?)|center|repeat|left|right|top|bottom`
	fontName    = `[0-9A-Za-z][0-9A-Za-z _-]{0,59}`
	ratio       = `(?:-?\d+)|none`
	matrix      = `(?:-?\d+\.?\d*;)*(?:-?\d+\.?\d*)`
	curvePoints = `\[(?:\(\d+,\d+\),?)*\]`
	density     = `(?:\d+\.?\d*|\d*\.\d+)|auto`
	language    = `[0-9a-zA-Z-]{1,35}`
	axis        = `[xy]`
)

// filter is one known filter.
type filter struct {
	pattern *regexp.Regexp
	apply   func(c *compiler, args []string) bool // returns false for invalid values
	onGIFs  bool                                  // Thumbor applies it before it opens the picture, so to GIFs too
	wrong   string                                // why the URL is refused when the call is malformed; "" = the call is skipped
}

// Language holds the known filters. It is safe for concurrent use.
type Language struct {
	filters map[string]filter
	dialect settings.Thumbor
	listed  map[string]bool // the filters of thumbor.filters; empty = all
}

// New returns a language in the dialect of the settings.
func New(dialect settings.Thumbor) *Language {
	l := &Language{filters: map[string]filter{}, dialect: dialect, listed: map[string]bool{}}
	l.addMeaning()
	l.addSizes()
	l.addColours()
	l.addNeighbours()
	l.addCanvas()
	l.addWikimedia()
	for _, name := range dialect.Filters {
		l.listed[name] = true
	}
	return l
}

// add adds a filter whose arguments are all required.
func (l *Language) add(name string, apply func(*compiler, []string) bool, kinds ...string) {
	l.filters[name] = filter{pattern: pattern(name, kinds, len(kinds)), apply: apply}
}

// addOptional adds a filter whose first arguments are required, and whose other arguments are
// optional. An absent argument is "".
func (l *Language) addOptional(name string, required int, apply func(*compiler, []string) bool, kinds ...string) {
	l.filters[name] = filter{pattern: pattern(name, kinds, required), apply: apply}
}

// appliesToGIFs reports whether a filter changes originals named .gif.
func (l *Language) appliesToGIFs(name string) bool {
	if l.dialect.KeepGIFs && name == "format" {
		return false
	}
	return l.dialect.GIFFilters || l.filters[name].onGIFs
}

// early marks filters that Thumbor applies before it opens the picture.
func (l *Language) early(names ...string) {
	for _, name := range names {
		f := l.filters[name]
		f.onGIFs = true
		l.filters[name] = f
	}
}

func pattern(name string, kinds []string, required int) *regexp.Regexp {
	var out strings.Builder
	out.WriteString("^" + name + `\(`)
	for i, kind := range kinds {
		comma, optional := "", ""
		if i > 0 {
			comma = ","
		}
		if i >= required {
			optional = "?"
		}
		out.WriteString(`(?:` + comma + `\s*(` + kind + `)\s*)` + optional)
	}
	return regexp.MustCompile(out.String() + `\)`)
}

// Notes is the results of filters that are not in the spec.
type Notes struct {
	Skipped      []string      // names of unknown or malformed filters, printable in a header
	NotOnGIFs    []string      // names of filters that Thumbor does not apply to a GIF, printable in a header
	MaxAge       time.Duration // for which caches may keep the answer; negative = the usual time
	Expires      time.Time     // from which the URL is no longer valid; zero for a URL without an end
	DPR          float64       // by which the size is multiplied; 0 = 1
	DPRAuto      bool          // the client's density multiplies the size
	FormatAuto   bool          // the client chooses the format
	Wrong        string        // why the URL must be refused: an end that cannot be read; "" for other URLs
	ExtractFocal bool          // the image is itself a Thumbor URL, and the crop in it is a focal point
}

// compiler compiles one text into a spec.
type compiler struct {
	language *Language
	spec     *thumbnail.Spec
	picture  func(text string) (thumbnail.Location, bool)
	reason   string // for skipping the current filter; "" = its name says enough
	notes    Notes
}

// Apply compiles a text such as "blur(3):format(webp)" into the spec, in order. picture returns the
// location of a watermark or frame for its name in the text, or false for a name that is not
// allowed.
func (l *Language) Apply(s *thumbnail.Spec, text string, picture func(string) (thumbnail.Location, bool)) Notes {
	c := &compiler{language: l, spec: s, picture: picture, notes: Notes{MaxAge: -1}}
	if text == "" {
		return c.notes
	}
	calls := strings.Split(text, "):")
	for i, call := range calls {
		if i < len(calls)-1 {
			call += ")"
		}
		if i >= maxFilters {
			c.skip("all filters after the first " + strconv.Itoa(maxFilters))
			break
		}
		c.applyCall(call)
	}
	return c.notes
}

func (c *compiler) skip(name string) { c.notes.Skipped = append(c.notes.Skipped, name) }

// applyCall applies one call. It ignores text after the closing bracket, as Thumbor does, and notes
// that as skipped.
func (c *compiler) applyCall(call string) {
	name, _, _ := strings.Cut(call, "(")
	f, known := c.language.filters[name]
	if !known || len(c.language.listed) > 0 && !c.language.listed[name] && name != expiry {
		c.skip(printable(name))
		return
	}
	found := f.pattern.FindStringSubmatch(call)
	keepsGIF := c.spec.Type == thumbnail.TypeGIF && !c.language.appliesToGIFs(name)
	c.reason = ""
	switch {
	case f.wrong != "" && (found == nil || len(found[0]) < len(call) || !f.apply(c, found[1:])):
		c.notes.Wrong = f.wrong
	case f.wrong != "":
	case found == nil:
		c.skip(name)
	case keepsGIF:
		c.notes.NotOnGIFs = append(c.notes.NotOnGIFs, name+" (on a GIF)")
	case !f.apply(c, found[1:]):
		c.skip(name + c.reason)
	case len(found[0]) < len(call):
		c.skip("text after " + name)
	}
}

// then adds a step after the other steps. It returns true, for apply functions.
func (c *compiler) then(o thumbnail.Operation) bool {
	c.spec.Operations = append(c.spec.Operations, o)
	return true
}

// printable returns a client's text for a header: at most 40 bytes, with "?" for each character
// that is not printable ASCII, and for each comma.
func printable(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && r != ',' {
			return r
		}
		return '?'
	}, name)
	return clean[:min(len(clean), 40)]
}
