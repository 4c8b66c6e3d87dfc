// Package filters understands Thumbor's filters and Wikimedia's, and writes
// what they ask for into a spec.
//
// Thumbor splits the text at "):" and skips without a word what it does not
// know or whose arguments do not fit; here such filters are skipped too, and
// named.
package filters

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

const (
	maxFilters = 64
	maxNumber  = 1_000_000_000
)

// kinds of arguments, in Thumbor's words and with its expressions
var (
	positive = regexp.MustCompile(`^[0-9]+$`)
	number   = regexp.MustCompile(`^-?[0-9]+$`)
	decimal  = regexp.MustCompile(`^-?([0-9]+\.?[0-9]*|[0-9]*\.?[0-9]+)$`)
	language = regexp.MustCompile(`^[0-9a-zA-Z-]{1,35}$`)
	axis     = regexp.MustCompile(`^[xy]$`)
	word     = regexp.MustCompile(`^[a-zA-Z]+$`)
)

// filter is one known filter: the kinds of its arguments, and what it does. It
// reports false when the values make no sense.
type filter struct {
	kinds []*regexp.Regexp
	apply func(s *thumbnail.Spec, args []string) bool
}

func known(name string) (filter, bool) {
	f, ok := map[string]filter{
		"quality": {kinds(positive), quality},
		"format":  {kinds(word), format},
		"page":    {kinds(positive), page},
		"lang":    {kinds(language), lang},
		"rotate":  {kinds(number), rotate},
		"crop":    {kinds(number, number, number, number), crop},
		"flip":    {kinds(axis), flip},

		"conditional_sharpen": {kinds(decimal, decimal, decimal, decimal, decimal), sharpen},
	}[name]
	return f, ok
}

func kinds(k ...*regexp.Regexp) []*regexp.Regexp { return k }

// Apply writes the filters of a text such as "quality(80):format(webp)" into
// the spec, in order, and names those that were skipped.
func Apply(s *thumbnail.Spec, text string) (skipped []string) {
	if text == "" {
		return nil
	}
	for i, call := range strings.Split(strings.TrimSuffix(text, ")"), "):") {
		name, args, called := strings.Cut(call, "(")
		if i >= maxFilters || !called || !applyOne(s, name, args) {
			skipped = append(skipped, printable(name))
		}
	}
	return skipped
}

func applyOne(s *thumbnail.Spec, name, args string) bool {
	f, ok := known(name)
	if !ok {
		return false
	}
	values := strings.Split(args, ",")
	if len(values) != len(f.kinds) {
		return false
	}
	for i, kind := range f.kinds {
		values[i] = strings.TrimSpace(values[i])
		if !kind.MatchString(values[i]) {
			return false
		}
	}
	return f.apply(s, values)
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

// integer reads a number that an expression allowed; one beyond all measure fails.
func integer(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n <= maxNumber && n >= -maxNumber
}

func quality(s *thumbnail.Spec, args []string) bool {
	n, ok := integer(args[0])
	if !ok || n < 1 {
		return false
	}
	s.Quality = min(n, 100)
	return true
}

func format(s *thumbnail.Spec, args []string) bool {
	f, ok := thumbnail.ParseFormat(args[0])
	if ok {
		s.Format = f
	}
	return ok
}

func page(s *thumbnail.Spec, args []string) bool {
	n, ok := integer(args[0])
	if ok {
		s.Page = n
	}
	return ok
}

func lang(s *thumbnail.Spec, args []string) bool {
	s.Lang = strings.ToLower(args[0])
	return true
}

// rotate knows quarter turns alone, as Thumbor does, and turns clockwise, as
// Wikimedia's engines do. (Thumbor leaves the direction to its engine; PIL's is
// the other one.)
func rotate(s *thumbnail.Spec, args []string) bool {
	n, ok := integer(args[0])
	if !ok || n%90 != 0 {
		return false
	}
	if n = ((n % 360) + 360) % 360; n != 0 {
		s.Operations = append(s.Operations, thumbnail.Operation{Name: "rotate", Args: []int{n}})
	}
	return true
}

func crop(s *thumbnail.Spec, args []string) bool {
	o := thumbnail.Operation{Name: "crop"}
	for _, a := range args {
		n, ok := integer(a)
		if !ok {
			return false
		}
		o.Args = append(o.Args, n)
	}
	s.Operations = append(s.Operations, o)
	return true
}

// flip turns over the named axis, as Wikimedia's filter does: x puts the top at
// the bottom.
func flip(s *thumbnail.Spec, args []string) bool {
	s.Operations = append(s.Operations, thumbnail.Operation{Name: "flip", Axis: args[0]})
	return true
}

func sharpen(s *thumbnail.Spec, args []string) bool {
	var v [5]float64
	for i := range v {
		n, err := strconv.ParseFloat(args[i], 64)
		if err != nil || n < 0 || n > 100 {
			return false
		}
		v[i] = n
	}
	if v[1] == 0 || v[1] > 10 { // a blur of nothing, or of everything
		return false
	}
	s.Sharpen = &thumbnail.Sharpen{Radius: v[0], Sigma: v[1], Amount: v[2], Threshold: v[3], Ratio: v[4]}
	return true
}
