package svg

import (
	"fmt"
	"io"
	"strings"
)

// beyond reports whether an element has a feature that librsvg lacks, and that no rewrite replaces: texts on paths, texts
// of a given length, turned characters, vertical lines, and characters that move and keep their kerning.
func beyond(t tag) bool {
	mode := t.property("writing-mode")
	if strings.HasPrefix(mode, "tb") || strings.HasPrefix(mode, "vertical") {
		return true
	}
	switch local(t.name) {
	case "textPath":
		return true
	case "text", "tspan":
		return t.value("textLength") != "" || t.value("rotate") != "" || len(numbers(t.value("dx"))) > 1 || len(numbers(t.value("dy"))) > 1
	}
	return false
}

// Resize copies the text of a drawing, and gives the root element sides in pixels that the drawing fills. A drawing
// whose own sides are unknown stays as it is. Resize returns errors of in and out.
func Resize(out io.Writer, in io.Reader, width, height int) error {
	root := true
	return scan(in, func(text string, k kind) error {
		if root && k == whole {
			root = false
			text = resized(readTag(text), width, height).text
		}
		_, err := io.WriteString(out, text)
		return err
	})
}

func resized(t tag, width, height int) tag {
	own := viewOf(t)
	if own.width <= 0 || own.height <= 0 {
		return t
	}
	if t.value("viewBox") == "" {
		t = t.set("viewBox", fmt.Sprintf("0 0 %g %g", own.width, own.height))
	}
	return t.set("preserveAspectRatio", "none").set("width", fmt.Sprint(width)).set("height", fmt.Sprint(height))
}
