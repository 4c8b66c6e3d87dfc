package fromthumbor

import (
	"fmt"
	"strings"
	"unicode"
)

// translate rewrites the literals of Python that Starlark does not know: escapes such as '\.', which
// Python keeps as they are, u"" and numbers such as 10_000_000. Lines stay lines. translate returns an
// error with the line of a text or a bracket that never ends, because such a file is not Python.
func translate(text string) (string, error) {
	s := scanner{text: []rune(text), line: 1}
	for s.at < len(s.text) && s.err == nil {
		s.next()
	}
	if s.err == nil && len(s.open) > 0 {
		last := s.open[len(s.open)-1]
		s.err = fmt.Errorf("line %d is not Python: nothing closes %q", last.line, last.bracket)
	}
	return s.out.String(), s.err
}

type opened struct {
	bracket rune
	line    int
}

// scanner reads tokens of Python, and writes tokens of Starlark.
type scanner struct {
	text []rune
	at   int
	line int
	open []opened
	out  strings.Builder
	err  error
}

// next copies one token.
func (s *scanner) next() {
	r := s.text[s.at]
	switch {
	case r == '#':
		s.copyWhile(func(r rune) bool { return r != '\n' })
	case r == '"' || r == '\'':
		s.quoted("")
	case unicode.IsLetter(r) || r == '_':
		s.word()
	case unicode.IsDigit(r):
		number := s.takeWhile(func(r rune) bool { return unicode.IsDigit(r) || unicode.IsLetter(r) || r == '_' || r == '.' })
		s.out.WriteString(strings.ReplaceAll(number, "_", ""))
	default:
		s.bracket(r)
		s.copy()
	}
}

// copy copies one character.
func (s *scanner) copy() {
	if s.text[s.at] == '\n' {
		s.line++
	}
	s.out.WriteRune(s.text[s.at])
	s.at++
}

func (s *scanner) copyWhile(holds func(rune) bool) { s.out.WriteString(s.takeWhile(holds)) }

func (s *scanner) takeWhile(holds func(rune) bool) string {
	start := s.at
	for s.at < len(s.text) && holds(s.text[s.at]) {
		s.at++
	}
	return string(s.text[start:s.at])
}

// word copies a name, or the text behind a prefix such as r.
func (s *scanner) word() {
	name := s.takeWhile(func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' })
	prefix := strings.ToLower(name)
	if s.at < len(s.text) && (s.text[s.at] == '"' || s.text[s.at] == '\'') && strings.Trim(prefix, "rbuf") == "" && len(prefix) <= 2 {
		s.quoted(prefix)
		return
	}
	s.out.WriteString(name)
}

// bracket notes an opening bracket, and checks a closing one.
func (s *scanner) bracket(r rune) {
	const opening, closing = "([{", ")]}"
	if strings.ContainsRune(opening, r) {
		s.open = append(s.open, opened{r, s.line})
	}
	which := strings.IndexRune(closing, r)
	switch {
	case which < 0:
	case len(s.open) == 0 || s.open[len(s.open)-1].bracket != rune(opening[which]):
		s.err = fmt.Errorf("line %d is not Python: %q closes nothing", s.line, r)
	default:
		s.open = s.open[:len(s.open)-1]
	}
}

// escapes are the characters that Starlark allows after a backslash.
const escapes = "\n\\'\"abfnrtvxuU01234567"

// quoted copies a text with its quotes.
func (s *scanner) quoted(prefix string) {
	raw, began := strings.Contains(prefix, "r"), s.line
	s.out.WriteString(strings.ReplaceAll(prefix, "u", ""))
	quote := string(s.text[s.at])
	if long := strings.Repeat(quote, 3); s.follows(long) {
		quote = long
	}
	s.skip(quote)
	for s.at < len(s.text) && !s.follows(quote) && (len(quote) == 3 || s.text[s.at] != '\n') {
		if s.text[s.at] == '\\' && s.at+1 < len(s.text) {
			if !raw && !strings.ContainsRune(escapes, s.text[s.at+1]) {
				s.out.WriteByte('\\')
			}
			s.copy()
		}
		s.copy()
	}
	if !s.follows(quote) {
		s.err = fmt.Errorf("line %d is not Python: nothing closes the text that begins with %s", began, quote)
		return
	}
	s.skip(quote)
}

func (s *scanner) follows(text string) bool {
	return strings.HasPrefix(string(s.text[s.at:min(len(s.text), s.at+len(text))]), text)
}

// skip copies a known text.
func (s *scanner) skip(text string) {
	s.out.WriteString(text)
	s.at += len(text)
}
