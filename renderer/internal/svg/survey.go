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
	// Flawed says that Mend can change the text.
	Flawed bool
	// Beyond says that the drawing has a feature that librsvg lacks, also after Mend.
	Beyond bool
	// Width is the width in pixels that the caller of Mend draws at, or 0 if it is not known.
	Width   int
	library Library
	plan    plan
}

// Survey reads the text of a drawing for a library and for readers of a language (see Accept), and returns its facts.
// For a text in UTF-16 it returns no facts. It returns errors of in.
func Survey(in io.Reader, l Library, language string) (Facts, error) {
	f := Facts{library: l}
	m := mender{facts: f}
	var p planner
	seen := map[string]bool{}
	err := scan(in, func(text string, k kind) error {
		f.Flawed = f.Flawed || m.mend(text, k) != text
		p.drawing.see(text, k)
		if k != whole && k != start {
			return nil
		}
		t := readTag(text)
		f.Styled = f.Styled || local(t.name) == "style"
		f.Beyond = f.Beyond || beyond(t)
		f.Flawed = f.Flawed || local(t.name) == "feMorphology" // if it is drawn large
		for language := range strings.SplitSeq(t.value("systemLanguage"), ",") {
			language = strings.Trim(language, space)
			if language != "" && !seen[language] && len(seen) < maxLanguages {
				seen[language] = true
				f.Languages = append(f.Languages, language)
			}
		}
		return nil
	})
	p.styled, p.languages = f.Styled, strings.Split(Accept(language, f.Languages), ",")
	f.plan = p.edits()
	f.Flawed = f.Flawed || len(f.plan) > 0
	return f, err
}
