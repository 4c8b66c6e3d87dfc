package svg

import (
	"io"
	"strings"
)

// maxLanguages bounds the languages of a drawing that Survey returns.
const maxLanguages = 500

// Facts has the properties of a drawing's text.
type Facts struct {
	// Languages are the languages of the labels (systemLanguage), in the order of the text, at most
	// maxLanguages.
	Languages []string
	// Styled says that CSS rules can change the drawing's size.
	Styled bool
	// Flawed says that Mend changes the text.
	Flawed    bool
	unlinked  map[int]bool // the gradients and patterns whose href Mend drops
	functions functions
	clips     clips
	library   Library
}

// Survey reads the text of a drawing for a library, and returns its facts. For a text in UTF-16 it returns no facts. It
// returns errors of in.
func Survey(in io.Reader, l Library) (Facts, error) {
	f := Facts{library: l}
	m := mender{library: l}
	var all servers
	var v view
	seen := map[string]bool{}
	err := scan(in, func(text string, k kind) error {
		f.Flawed = f.Flawed || m.mend(text, k) != text
		if k == other {
			return nil
		}
		t := readTag(text)
		if local(t.name) == "svg" {
			v.see(t)
		}
		f.functions.see(t, k)
		if k == whole {
			all.see(t)
			f.clips.see(t, v)
		}
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
	if f.functions.rooted && !f.Styled { // a rule may let a symbol overflow
		f.clips.choose()
	}
	f.unlinked = all.unlinked()
	f.Flawed = f.Flawed || len(f.unlinked) > 0 || len(f.functions.lists) > 0 || len(f.clips.rects) > 0
	return f, err
}
