package component

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Flaw is what some versions of a component do wrongly with a kind of original.
type Flaw struct {
	Component string
	Since     string // the first version that has it; "" = all before Mended
	Mended    string // the first version without; "" = none is known
	Type      thumbnail.Type
	What      string
}

// known are the flaws that were found on Debian 12 and 13 by comparing with the format's own
// decoder or with Chromium; the versions that mend them are told by the components' own notes of
// changes, or are those of Debian 13.
var known = []Flaw{
	{Librsvg, "", "2.59.0", thumbnail.TypeSVG, "colours in hwb() are black"},
	{Librsvg, "", "2.60.0", thumbnail.TypeSVG, "dominant-baseline is ignored: such text stands too high or too low"},
	{Librsvg, "2.60.0", "", thumbnail.TypeSVG, "a svg element that a use element draws is misplaced by its own x and y"},
	{Libheif, "", "1.23.6", thumbnail.TypeHEIC, "uncompressed pictures are refused"},
	{Libspng, "0.7.4", "", thumbnail.TypePNG, "a damaged picture is refused, or ends earlier than with libpng"},
}

// Flaws are those of the versions that this machine has.
func (v Versions) Flaws() []Flaw {
	return slices.DeleteFunc(slices.Clone(known), func(f Flaw) bool {
		version := v[f.Component]
		return version == "" || before(version, f.Since) || f.Mended != "" && !before(version, f.Mended)
	})
}

// before compares versions number by number.
func before(a, b string) bool { return slices.Compare(numbers(a), numbers(b)) < 0 }

// leading matches the numbers at the beginning of a version.
var leading = regexp.MustCompile(`^\d+([.-]\d+)*`)

// numbers are those of a version, of 7.1.1-43 four.
func numbers(version string) (all []int) {
	separates := func(r rune) bool { return r == '.' || r == '-' }
	for part := range strings.FieldsFuncSeq(leading.FindString(version), separates) {
		n, _ := strconv.Atoi(part)
		all = append(all, n)
	}
	return all
}
