// Package filters compiles the text of Thumbor's filters, and of Wikimedia's, into
// a spec.
//
// It reads as Thumbor reads: the text is split at "):", each call is matched from
// its start by an expression that is made of its arguments' kinds, and what is not
// known or does not match is skipped. Thumbor does that without a word; here the
// names of what was skipped are told. What would change nothing is left out, so
// that one meaning has one spec. Go's expressions take linear time, so that a text
// made to be slow (Thumbor had one, in convolution) is none here.
package filters

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// maxFilters of one URL.
const maxFilters = 64

// kinds of arguments, by Thumbor's expressions
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
	ratio       = `(?:-?\d+)|none`
	matrix      = `(?:-?\d+\.?\d*;)*(?:-?\d+\.?\d*)`
	curvePoints = `\[(?:\(\d+,\d+\),?)*\]`
	language    = `[0-9a-zA-Z-]{1,35}`
	axis        = `[xy]`
)

// filter is one known filter.
type filter struct {
	pattern *regexp.Regexp
	apply   func(c *compiler, args []string) bool // false: the values make no sense
	onGIFs  bool                                  // it is done before there is a picture, and so to GIFs too
}

// Language knows the filters. It is safe for concurrent use.
type Language struct {
	filters map[string]filter
	dialect settings.Thumbor
}

// New makes a language in the dialect of the settings.
func New(dialect settings.Thumbor) *Language {
	l := &Language{filters: map[string]filter{}, dialect: dialect}
	l.addMeaning()
	l.addSizes()
	l.addColours()
	l.addNeighbours()
	l.addCanvas()
	l.addWikimedia()
	return l
}

// add a filter, all of whose arguments are required.
func (l *Language) add(name string, apply func(*compiler, []string) bool, kinds ...string) {
	l.filters[name] = filter{pattern: pattern(name, kinds, len(kinds)), apply: apply}
}

// addOptional is add for a filter of which only the first arguments are required.
func (l *Language) addOptional(name string, required int, apply func(*compiler, []string) bool, kinds ...string) {
	l.filters[name] = filter{pattern: pattern(name, kinds, required), apply: apply}
}

// early marks filters that Thumbor runs before it looks at the picture.
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

// Notes are what filters ask for beside the spec.
type Notes struct {
	Skipped      []string      // names of what was not understood, fit for a header
	NotOnGIFs    []string      // names of what Thumbor does not apply to a GIF, likewise
	MaxAge       time.Duration // how long the answer may be kept; negative = the usual
	ExtractFocal bool          // the image is itself a Thumbor URL, whose crop is a focal point
}

// compiler is one text on its way into a spec.
type compiler struct {
	language *Language
	spec     *thumbnail.Spec
	picture  func(text string) (thumbnail.Location, bool)
	reason   string // why the filter at hand cannot be applied, where that is not plain
	notes    Notes
}

// Apply writes a text such as "blur(3):format(webp)" into the spec, in order.
// picture finds the location of a watermark or frame by what the text calls it.
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
			c.skip("more than " + strconv.Itoa(maxFilters))
			break
		}
		c.applyCall(call)
	}
	return c.notes
}

func (c *compiler) skip(what string) { c.notes.Skipped = append(c.notes.Skipped, what) }

// applyCall applies one call. What stands behind its bracket is ignored, as in Thumbor, and named.
func (c *compiler) applyCall(call string) {
	name, _, _ := strings.Cut(call, "(")
	f, known := c.language.filters[name]
	if !known {
		c.skip(printable(name))
		return
	}
	found := f.pattern.FindStringSubmatch(call)
	keptGIF := c.spec.Type == thumbnail.TypeGIF && !c.language.dialect.GIFFilters
	c.reason = ""
	switch {
	case found == nil:
		c.skip(name)
	case keptGIF && !f.onGIFs:
		c.notes.NotOnGIFs = append(c.notes.NotOnGIFs, name+" (on a GIF)")
	case !f.apply(c, found[1:]):
		c.skip(name + c.reason)
	case len(found[0]) < len(call):
		c.skip("what follows " + name)
	}
}

// then adds a step behind the others.
func (c *compiler) then(o thumbnail.Operation) bool {
	c.spec.Operations = append(c.spec.Operations, o)
	return true
}

// printable keeps a client's text fit for a header.
func printable(name string) string {
	clean := strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && r != ',' {
			return r
		}
		return '?'
	}, name)
	return clean[:min(len(clean), 40)]
}
