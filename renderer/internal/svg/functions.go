package svg

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// readLists replaces lists of filter functions, such as "grayscale(1) hue-rotate(90deg)", by filters. librsvg
// calculates the functions in linear RGB; browsers calculate them in sRGB (Filter Effects, 13). A reference in a list
// goes away if the drawing has no such filter; librsvg then ignores the whole list.
func (p *planner) readLists() {
	for i, e := range p.drawing.elements {
		a, ok := e.tag.get("filter")
		if !ok || !e.whole {
			continue
		}
		list := e.tag.text[a.from:a.to]
		kept := p.withoutMissing(list)
		primitives, kind := readFunctions(kept)
		switch {
		case kind == invalid, strings.Trim(kept, space) == "" && kept != list:
			p.drop(i, "filter")
		case kind == coloured:
			if id := p.define("filter", filterOf(primitives)); id != "" {
				p.set(i, "filter", "url(#"+id+")")
			}
		case kept != list:
			p.set(i, "filter", kept)
		}
	}
}

// inList matches a reference in a list.
var inList = regexp.MustCompile(`url\(\s*["']?#([^"')\s]+)["']?\s*\)`)

// withoutMissing returns a list of functions without references to filters that the drawing does not have. A list that
// is a reference alone stays as it is.
func (p *planner) withoutMissing(list string) string {
	if !strings.Contains(list, "url(") || referred(list) != "" || strings.Contains(list, "&") {
		return list
	}
	return inList.ReplaceAllStringFunc(list, func(r string) string {
		if i, ok := p.drawing.byID[referred(r)]; ok && p.drawing.elements[i].kind == "filter" {
			return r
		}
		return ""
	})
}

// filterOf returns a filter for define.
func filterOf(primitives []string) string {
	text := strings.NewReplacer("</", "</{}", "<", "<{}").Replace(strings.Join(primitives, ""))
	return `<{}filter id="{id}" x="-.5" y="-.5" width="2" height="2" color-interpolation-filters="sRGB">` + text + "</{}filter>"
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
		if name == "blur" && (strings.HasSuffix(argument, "%") || strings.HasPrefix(argument, "-")) || name == "drop-shadow" && strings.Contains(argument, "%") {
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
	"opacity": func(v float64) string {
		return fmt.Sprintf(`<feComponentTransfer><feFuncA type="linear" slope="%g"/></feComponentTransfer>`, min(v, 1))
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
