package svg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const (
	// maxClips bounds the different clips that Mend writes out.
	maxClips = 200
	// maxUses bounds the symbols of a drawing that are clipped, and their uses.
	maxUses = 5000
)

// clips has the rectangles that uses of symbols are clipped to. librsvg does not clip them; browsers clip them to the
// viewport that the symbol begins (SVG 2, 8.7). Mend writes the clips out at the beginning of the root element.
type clips struct {
	symbols map[string]bool // by id; whether their contents are clipped
	uses    []use
	rects   []string
}

// use is an element that draws another.
type use struct{ id, rect string }

// see notes a tag.
func (c *clips) see(t tag, v view) {
	switch local(t.name) {
	case "symbol":
		if id := t.value("id"); id != "" && len(c.symbols) < maxUses {
			if c.symbols == nil {
				c.symbols = map[string]bool{}
			}
			_, twice := c.symbols[id]
			overflow := t.property("overflow")
			c.symbols[id] = !twice && overflow != "visible" && overflow != "auto"
		}
	case "use":
		if rect := v.viewport(t); rect != "" && len(c.uses) < maxUses {
			c.uses = append(c.uses, use{target(t), rect})
		}
	}
}

// choose notes the rectangles of all uses of symbols.
func (c *clips) choose() {
	for _, u := range c.uses {
		if c.symbols[u.id] && len(c.rects) < maxClips && !slices.Contains(c.rects, u.rect) {
			c.rects = append(c.rects, u.rect)
		}
	}
	c.uses = nil
}

// mend returns the tag of a use with its clip.
func (c *clips) mend(t tag, v view) tag {
	if local(t.name) != "use" || !c.symbols[target(t)] {
		return t
	}
	i := slices.Index(c.rects, v.viewport(t))
	if i < 0 {
		return t
	}
	return t.and(fmt.Sprintf(` clip-path="url(#thumbmill-clip%d)"`, i))
}

// definitions returns the clips as text, in elements with the prefix of the root element.
func (c *clips) definitions(prefix string) (text string) {
	for i, rect := range c.rects {
		text += fmt.Sprintf(`<%sclipPath id="thumbmill-clip%d"><%srect %s/></%sclipPath>`, prefix, i, prefix, rect, prefix)
	}
	return text
}

// target returns the id that an element's href names, or "".
func target(t tag) string {
	id, _ := strings.CutPrefix(strings.Trim(t.value("href"), space), "#")
	return id
}

// viewport returns the attributes of the rectangle that a use gives to a symbol, or "" if it is not certain, or if the
// use has a clip of its own.
func (v *view) viewport(t tag) string {
	if t.value("clip-path") != "" || strings.Contains(t.value("style"), "clip-path") || strings.ContainsAny(t.value("href"), "&") {
		return ""
	}
	rect := ""
	for _, side := range []struct {
		name, otherwise string
		whole           float64
	}{{"x", "0", v.width}, {"y", "0", v.height}, {"width", "100%", v.width}, {"height", "100%", v.height}} {
		value := strings.Trim(t.value(side.name), space)
		if value == "" {
			value = side.otherwise
		}
		number, ok := coordinate(value, side.whole, "", "")
		if !ok {
			return ""
		}
		rect += side.name + `="` + strconv.FormatFloat(number, 'g', -1, 64) + `" `
	}
	return rect
}
