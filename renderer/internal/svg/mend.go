package svg

import (
	"io"
	"strings"
)

// Mend copies the text of a drawing, and rewrites the parts that librsvg reads in another way than browsers: elements
// by the table rewrites, where the element itself tells what is wrong, and by the plan of Survey, where other elements
// tell it. Characters of a text that have places of their own get elements of their own.
//
// Mend needs the facts that Survey returned for the same text. It returns errors of in and out.
func Mend(out io.Writer, in io.Reader, f Facts) error {
	m := mender{facts: f}
	return scan(in, func(text string, k kind) error {
		_, err := io.WriteString(out, m.mend(text, k))
		return err
	})
}

// rewrite changes a start tag whose whole text is known. Changes beyond the tag go into the edit.
type rewrite func(m *mender, t tag, e *edit) tag

// rewrites has the changes by the name of the element, without a prefix; those of "" are for all elements. Each
// function names the flaw of librsvg.
var rewrites = map[string][]rewrite{
	"":                   {(*mender).dropInputs, (*mender).mendValues, (*mender).mendOrigin},
	"feDiffuseLighting":  {(*mender).mendLighting},
	"feDropShadow":       {(*mender).writeShadow},
	"feFuncA":            {(*mender).mendTransfer},
	"feImage":            {(*mender).mendPicture},
	"feMorphology":       {(*mender).splitMorphology},
	"feSpecularLighting": {(*mender).mendLighting},
	"feSpotLight":        {(*mender).mendSpot},
	"feTurbulence":       {(*mender).mendTurbulence},
	"g":                  {(*mender).dropShift},
	"image":              {(*mender).mendPicture},
	"include":            {(*mender).hide},
	"marker":             {(*mender).mendMarker},
	"mask":               {(*mender).mendMask},
	"pattern":            {(*mender).mendPattern},
	"polygon":            {(*mender).mendPoints},
	"polyline":           {(*mender).mendPoints},
	"style":              {(*mender).mendStyle},
	"symbol":             {(*mender).mendSymbol},
	"text":               {(*mender).mendBaseline},
	"textPath":           {(*mender).mendBaseline},
	"tspan":              {(*mender).mendBaseline},
}

// maxDepth bounds the open elements whose end tags Mend changes. librsvg's parser reads 256.
const maxDepth = 1000

// mender mends one drawing's text.
type mender struct {
	facts  Facts
	read   int // start tags so far
	open   []open
	deeper int // further open elements
	last   byte
	inputs inputs
	view   view
	made   int     // names of results so far
	places *places // of the text that follows
	placed int     // characters so far
	spaced bool    // a tag said that spaces count
}

// open is an element whose end tag has not come yet.
type open struct {
	ending   ending
	isSVG    bool
	baseline baseline
}

func (m *mender) mend(text string, k kind) string {
	defer func() { m.last = text[len(text)-1] }()
	switch k {
	case whole:
		return m.mendWhole(readTag(text))
	case start:
		return m.mendStart(readTag(text))
	case tail:
		if text == ">" && m.last == '/' || strings.HasSuffix(text, "/>") {
			m.pop()
		}
		return text
	case end:
		m.places = nil
		return m.pop().write(text)
	}
	return m.mendText(text)
}

// mendWhole mends a start tag, with the edit that Survey planned for it.
func (m *mender) mendWhole(t tag) string {
	m.see(t)
	var e edit
	if planned := m.facts.plan[m.read]; planned != nil {
		e = *planned
	}
	m.read++
	kind := local(t.name)
	t = e.apply(t)
	here := open{isSVG: kind == "svg", baseline: m.baseline().of(t)}
	for _, name := range []string{"", kind} {
		for _, change := range rewrites[name] {
			t = change(m, t, &e)
		}
	}
	m.findPlaces(t)
	empty := t.empty()
	text, last := e.write(t)
	if here.ending = last; !empty {
		m.push(here)
	}
	return text
}

// mendStart mends the beginning of a long start tag.
func (m *mender) mendStart(t tag) string {
	m.see(t)
	m.read++
	m.places = nil
	m.push(open{isSVG: local(t.name) == "svg", baseline: m.baseline()})
	if kind := local(t.name); kind == "image" || kind == "feImage" {
		return m.mendPicture(t, nil).text
	}
	return t.text
}

// see notes the drawing's sides.
func (m *mender) see(t tag) {
	if m.read == 0 {
		m.view = viewOf(t)
	}
}

// box returns the reference box of the element that begins, or a zero box if it is another svg element's.
func (m *mender) box() view {
	if m.view.nested > 0 {
		return view{}
	}
	return m.view
}

func (m *mender) push(o open) {
	if len(m.open) == maxDepth {
		m.deeper++
		return
	}
	if o.isSVG && len(m.open) > 0 {
		m.view.nested++
	}
	m.open = append(m.open, o)
}

// pop returns the ending of the element that ends.
func (m *mender) pop() ending {
	if m.deeper > 0 || len(m.open) == 0 {
		m.deeper = max(0, m.deeper-1)
		return ending{}
	}
	o := m.open[len(m.open)-1]
	m.open = m.open[:len(m.open)-1]
	if o.isSVG && len(m.open) > 0 {
		m.view.nested--
	}
	return o.ending
}

// baseline returns the baselines of the parent of the element that begins.
func (m *mender) baseline() baseline {
	if len(m.open) == 0 {
		return baseline{}
	}
	return m.open[len(m.open)-1].baseline
}

// findPlaces notes the places of the characters that follow a tag.
func (m *mender) findPlaces(t tag) {
	m.spaced = m.spaced || t.preserves() || strings.Contains(t.value("style"), "white-space")
	if m.places = readPlaces(t); m.places != nil {
		m.places.doubtful = m.spaced // elements inherit it
	}
}

// mendText mends a text between tags.
func (m *mender) mendText(text string) string {
	p := m.places
	m.places = nil
	if p == nil || strings.HasPrefix(text, "<") || m.placed > maxPlaced {
		return text
	}
	text, n := p.place(text)
	m.placed += n
	return text
}
