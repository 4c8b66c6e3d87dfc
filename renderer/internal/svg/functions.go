package svg

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxFunctions bounds the different lists of filter functions that Mend writes out as filters.
const maxFunctions = 100

// functions has the different lists of filter functions of a drawing, such as "grayscale(1) hue-rotate(90deg)".
// librsvg before 2.60 calculates them in linear RGB; browsers calculate them in sRGB (Filter Effects, 13). Mend writes
// them out as filters at the beginning of the root element.
type functions struct {
	lists  []string
	begun  bool
	rooted bool // a place for filters exists
}

// see notes a tag.
func (f *functions) see(t tag, k kind) {
	if !f.begun {
		f.begun = true
		f.rooted = local(t.name) == "svg" && k == whole && !strings.HasSuffix(t.text, "/>")
	}
	a, ok := t.get("filter")
	if !f.rooted || !ok || k != whole || len(f.lists) == maxFunctions {
		return
	}
	list := t.text[a.from:a.to]
	if _, kind := readFunctions(list); kind == coloured && !slices.Contains(f.lists, list) {
		f.lists = append(f.lists, list)
	}
}

// definitions returns the filters as text, in elements with the prefix of the root element.
func (f *functions) definitions(prefix string) string {
	var out strings.Builder
	prefixed := strings.NewReplacer("</", "</"+prefix, "<", "<"+prefix)
	for i, list := range f.lists {
		primitives, _ := readFunctions(list)
		_, _ = fmt.Fprintf(&out, `<%sfilter id="thumbmill-filter%d" x="-.5" y="-.5" width="2" height="2" color-interpolation-filters="sRGB">`, prefix, i)
		for _, p := range primitives {
			_, _ = prefixed.WriteString(&out, p)
		}
		out.WriteString("</" + prefix + "filter>")
	}
	return out.String()
}

// mend returns a tag that names the filter of its list, or that has no list if the list is invalid.
func (f *functions) mend(t tag) tag {
	a, ok := t.get("filter")
	if !ok {
		return t
	}
	list := t.text[a.from:a.to]
	if _, kind := readFunctions(list); kind == invalid {
		return t.without(a)
	}
	if i := slices.Index(f.lists, list); i >= 0 {
		return readTag(t.with(a, fmt.Sprintf("url(#thumbmill-filter%d)", i)))
	}
	return t
}

// maxPrimitives bounds the functions of a list: librsvg draws the whole element for each.
const maxPrimitives = 20

// listKind is the kind of a list of filter functions.
type listKind int

const (
	foreign  listKind = iota // not only functions of colours, or not a list
	coloured                 // functions of colours alone
	invalid                  // has an argument that its function does not allow, so that browsers ignore the list
)

var function = regexp.MustCompile(`^([a-z-]+)\(\s*([^()]*?)\s*\)\s*`)

// readFunctions returns the primitives that equal a list of functions of colours.
func readFunctions(list string) (primitives []string, kind listKind) {
	kind = coloured
	for rest := strings.Trim(list, space); rest != ""; {
		f := function.FindStringSubmatch(rest)
		if f == nil {
			return nil, foreign
		}
		rest = rest[len(f[0]):]
		p, is := primitive(f[1], f[2])
		kind = max(kind, is)
		if is == foreign {
			return nil, foreign
		}
		primitives = append(primitives, p)
	}
	if len(primitives) == 0 || len(primitives) > maxPrimitives {
		return nil, foreign
	}
	return primitives, kind
}

// primitive returns the primitive that equals a function (Filter Effects, 13.1).
func primitive(name, argument string) (string, listKind) {
	draw, ok := colours[name]
	if !ok {
		if name == "blur" && (strings.HasSuffix(argument, "%") || strings.HasPrefix(argument, "-")) {
			return "", invalid
		}
		return "", foreign
	}
	amount, ok := angle(argument)
	if name != "hue-rotate" {
		amount, ok = portion(argument)
	}
	if !ok {
		return "", invalid
	}
	return draw(amount), coloured
}

// portion returns a number or a percentage that is not negative; without an argument 1.
func portion(argument string) (float64, bool) {
	if argument == "" {
		return 1, true
	}
	digits, percent := strings.CutSuffix(argument, "%")
	v, err := strconv.ParseFloat(digits, 64)
	if percent {
		v /= 100
	}
	return v, err == nil && v >= 0 && v <= math.MaxInt16
}

// angle returns an angle in degrees; without an argument 0.
func angle(argument string) (float64, bool) {
	if argument == "" || argument == "0" {
		return 0, true
	}
	for _, u := range []struct {
		name    string
		degrees float64
	}{{"deg", 1}, {"grad", .9}, {"rad", 180 / math.Pi}, {"turn", 360}} {
		if digits, ok := strings.CutSuffix(argument, u.name); ok {
			v, err := strconv.ParseFloat(digits, 64)
			return math.Mod(v*u.degrees, 360), err == nil && math.Abs(v) <= math.MaxInt32
		}
	}
	return 0, false
}

// colours has the functions of colours.
var colours = map[string]func(float64) string{
	"brightness": func(v float64) string { return transfer(fmt.Sprintf(`type="linear" slope="%g"`, v)) },
	"contrast": func(v float64) string {
		return transfer(fmt.Sprintf(`type="linear" slope="%g" intercept="%g"`, v, .5-v/2))
	},
	"grayscale":  func(v float64) string { return matrixOf("saturate", 1-min(v, 1)) },
	"hue-rotate": func(v float64) string { return matrixOf("hueRotate", v) },
	"invert": func(v float64) string {
		v = min(v, 1)
		return transfer(fmt.Sprintf(`type="table" tableValues="%g %g"`, v, 1-v))
	},
	"saturate": func(v float64) string { return matrixOf("saturate", v) },
	"sepia": func(v float64) string {
		v = 1 - min(v, 1)
		return matrixOf("matrix", .393+.607*v, .769-.769*v, .189-.189*v, 0, 0, .349-.349*v, .686+.314*v, .168-.168*v, 0, 0,
			.272-.272*v, .534-.534*v, .131+.869*v, 0, 0, 0, 0, 0, 1, 0)
	},
}

func matrixOf(kind string, values ...float64) string {
	return fmt.Sprintf(`<feColorMatrix type="%s" values="%s"/>`, kind, strings.Trim(fmt.Sprint(values), "[]"))
}

func transfer(attributes string) string {
	return "<feComponentTransfer><feFuncR " + attributes + "/><feFuncG " + attributes + "/><feFuncB " + attributes + "/></feComponentTransfer>"
}
