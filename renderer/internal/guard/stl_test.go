package guard

import (
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func TestSTL(t *testing.T) {
	binary := make([]byte, STLHeader+2*STLTriangle)
	binary[STLHeader-4] = 2
	body := string(binary)
	text := "solid a\n facet normal 0 0 1\n outer loop\n"
	for name, c := range map[string]struct {
		body           string
		named, unnamed bool // whether Inspect accepts the body, with the name of an STL and without a name
	}{
		"text":                    {text, true, true},
		"in capitals":             {strings.ToUpper(text), true, true},
		"on one line":             {strings.ReplaceAll(text, "\n", " "), true, true},
		"lines that end in CR":    {strings.ReplaceAll(text, "\n", "\r"), true, true},
		"a byte order mark":       {"\ufeff" + text, true, true},
		"white space before":      {" \r\n\t" + text, true, true},
		"a long name":             {"solid " + strings.Repeat("a", 2000) + text[6:], true, true},
		"binary":                  {body, true, true},
		"binary, called solid":    {"solid" + body[5:], true, true},
		"binary with bytes after": {body + "\r\n", true, false},
		"binary, truncated":       {body[:len(body)-1], false, false},
		"words":                   {"solid ground", false, false},
	} {
		for promised, want := range map[thumbnail.Type]bool{thumbnail.TypeSTL: c.named, thumbnail.TypeUnknown: c.unnamed} {
			if h, err := inspect([]byte(c.body), promised); (err == nil) != want || want && h.Type != thumbnail.TypeSTL {
				t.Errorf("%s, promised as %s: %+v, %v", name, promised, h, err)
			}
		}
	}
}
