// Package syntax has the form of Thumbor's URL paths: which options a path has, and where its image begins.
//
// Like Thumbor, it matches the path as the client sent it, percent-encoded.
package syntax

import (
	"regexp"
	"strings"
)

const (
	options = `(?:(?P<debug>debug)/)?(?:(?P<meta>meta)/)?` +
		`(?:(?P<trim>trim(?::(?P<corner>top-left|bottom-right))?(?::(?P<tolerance>\d+))?)/)?` +
		`(?:(?P<left>\d+)x(?P<top>\d+):(?P<right>\d+)x(?P<bottom>\d+)/)?` +
		`(?:(?P<adaptive>adaptive-)?(?P<full>full-)?(?P<fit>fit-in)/)?` +
		`(?:(?P<size>(?P<flipx>-)?(?P<width>\d+|orig)?x(?P<flipy>-)?(?P<height>\d+|orig)?)/)?` +
		`(?:(?P<halign>left|right|center)/)?(?:(?P<valign>top|bottom|middle)/)?(?:(?P<smart>smart)/)?` +
		`(?:filters:(?P<filters>.+?\))/)?(?P<image>.+)$`
	signed = `/?(?:(?:(?P<unsafe>unsafe)|(?P<hash>.+?))/)?`
)

// Form is an expression with named groups.
type Form struct{ expression *regexp.Regexp }

// Path returns the form of a path after its signature.
func Path() Form { return Form{regexp.MustCompile(`^` + options)} }

// Whole returns the form of a path with its signature. The signature may be absent.
func Whole() Form { return Form{regexp.MustCompile(`^` + signed + options)} }

// Of returns the form of an expression.
func Of(expression *regexp.Regexp) Form { return Form{expression} }

// Parts returns the parts of a text by the names of the groups, or nil when the text does not match the form.
func (f Form) Parts(text string) map[string]string {
	found := f.expression.FindStringSubmatch(text)
	if found == nil {
		return nil
	}
	parts := map[string]string{}
	for i, name := range f.expression.SubexpNames() {
		if name != "" {
			parts[name] = found[i]
		}
	}
	return parts
}

// Replaced returns the text with another part under the name of a group; ok is false when the text lacks the part.
func (f Form) Replaced(text, group, by string) (replaced string, ok bool) {
	found := f.expression.FindStringSubmatchIndex(text)
	at := 2 * f.expression.SubexpIndex(group)
	if found == nil || found[at] < 0 {
		return "", false
	}
	return text[:found[at]] + by + text[found[at+1]:], true
}

// WithFilter returns a path after its signature with one more filter, after the path's other filters. It returns the
// path as it is when the path has no image.
func (f Form) WithFilter(path, filter string) string {
	p := f.Parts(path)
	if p == nil {
		return path
	}
	if p["filters"] != "" {
		path, _ = f.Replaced(path, "filters", p["filters"]+":"+filter)
		return path
	}
	return strings.TrimSuffix(path, p["image"]) + "filters:" + filter + "/" + p["image"]
}
