package component

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// Flaw is an error that some versions of a component make with a type of original.
type Flaw struct {
	Component string
	Since     string // the first version with the flaw; "" means all before Mended
	Mended    string // the first version without the flaw; "" means no known version
	Type      thumbnail.Type
	What      string
	Without   string // a component that draws in place of the first, so that the flaw does not show
}

// known lists the flaws that were found on Debian 12 and 13 by comparison with the format's own decoder or with
// Chromium. The versions in Mended come from the components' changelogs, or are Debian 13's versions.
var known = []Flaw{
	{Librsvg, "", "2.59.0", thumbnail.TypeSVG, "colours in hwb() are black", ""},
	{Librsvg, "", "2.60.0", thumbnail.TypeSVG, "dominant-baseline and alignment-baseline are estimated: text stands a little too high or too low", ""},
	{Librsvg, "2.60.0", "", thumbnail.TypeSVG, "a svg element outside of defs that a use element draws is misplaced by its own x and y", ""},
	{Librsvg, "", "", thumbnail.TypeSVG, "texts on paths are missing; textLength, turned characters and vertical lines are ignored", Resvg},
	{Libheif, "", "1.23.6", thumbnail.TypeHEIC, "uncompressed pictures are refused", ""},
	{Libspng, "0.7.4", "", thumbnail.TypePNG, "a damaged picture is refused, or ends earlier than with libpng", ""},
}

// Flaws returns the known flaws of this machine's versions.
func (v Versions) Flaws() []Flaw {
	return slices.DeleteFunc(slices.Clone(known), func(f Flaw) bool {
		version := v[f.Component]
		return version == "" || v[f.Without] != "" || before(version, f.Since) || f.Mended != "" && !before(version, f.Mended)
	})
}

// before reports whether version a is older than b. It compares number by number.
func before(a, b string) bool { return slices.Compare(numbers(a), numbers(b)) < 0 }

// leading matches the numbers at the start of a version.
var leading = regexp.MustCompile(`^\d+([.-]\d+)*`)

// numbers returns the numbers of a version: four for 7.1.1-43.
func numbers(version string) (all []int) {
	separates := func(r rune) bool { return r == '.' || r == '-' }
	for part := range strings.FieldsFuncSeq(leading.FindString(version), separates) {
		n, _ := strconv.Atoi(part)
		all = append(all, n)
	}
	return all
}
