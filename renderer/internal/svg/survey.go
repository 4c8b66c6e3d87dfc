package svg

import (
	"io"
	"strings"
)

// maxLanguages is how many languages of a drawing are noted.
const maxLanguages = 500

// Facts are what a drawing's text tells.
type Facts struct {
	// Languages are those of its labels (systemLanguage), in the order of the text.
	Languages []string
	// Styled says that rules of CSS may change its size.
	Styled bool
	// Flawed says that Mend changes something.
	Flawed bool
}

// Survey reads the text of a drawing. Errors are in's. Of a text in UTF-16 it tells nothing.
func Survey(in io.Reader) (Facts, error) {
	var f Facts
	var m mender
	seen := map[string]bool{}
	err := scan(in, func(text string, k kind) error {
		f.Flawed = f.Flawed || m.mend(text, k) != text
		if k == other {
			return nil
		}
		t := readTag(text)
		f.Styled = f.Styled || local(t.name) == "style"
		for language := range strings.SplitSeq(t.value("systemLanguage"), ",") {
			language = strings.Trim(language, space)
			if language != "" && !seen[language] && len(seen) < maxLanguages {
				seen[language] = true
				f.Languages = append(f.Languages, language)
			}
		}
		return nil
	})
	return f, err
}
