package svg

import (
	"slices"
	"strings"
)

// sources are the inputs of filter primitives that are not results of other primitives. Browsers know no
// BackgroundImage, BackgroundAlpha, FillPaint or StrokePaint.
var sources = []string{"SourceGraphic", "SourceAlpha"}

// maxResults bounds the results of one filter.
const maxResults = 1000

// inputs knows the results of the current filter.
type inputs struct {
	results  []string
	known    bool // false outside of filters, and in a filter that can inherit primitives
	inPixels bool // lengths of primitives are user units
}

// dropInputs drops the input of a filter primitive that no earlier primitive makes. The primitive then takes the
// earlier primitive's result (Filter Effects, 9.2). librsvg draws no element with such a filter.
func (m *mender) dropInputs(t tag, _ *edit) tag {
	i, name := &m.inputs, local(t.name)
	if name == "filter" {
		*i = inputs{known: t.value("href") == "", inPixels: strings.Trim(t.value("primitiveUnits"), space) != "objectBoundingBox"}
	}
	if !strings.HasPrefix(name, "fe") || !i.known {
		return t
	}
	for _, input := range []string{"in", "in2"} {
		a, ok := t.get(input)
		if !ok {
			continue
		}
		wanted := strings.Trim(t.text[a.from:a.to], space)
		if !strings.Contains(wanted, "&") && !slices.Contains(sources, wanted) && !slices.Contains(i.results, wanted) {
			t = t.without(a)
		}
	}
	if result := strings.Trim(t.value("result"), space); result != "" {
		i.results = append(i.results, result)
		i.known = len(i.results) < maxResults && !strings.Contains(result, "&")
	}
	return t
}
