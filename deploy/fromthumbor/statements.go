package fromthumbor

import (
	"strings"

	"go.starlark.net/syntax"
)

// statement is a statement of the file. parsed is nil if the parser does not know its form.
type statement struct {
	line   int
	text   string
	parsed syntax.Stmt
}

// start returns the beginning of the statement's first line.
func (s statement) start() string {
	first, _, _ := strings.Cut(s.text, "\n")
	return abbreviated(strings.TrimSpace(first))
}

// mostLines bounds the lines of one statement. Lists of filters and sources, and documentation, are
// long.
const mostLines = 400

// statements cuts a file into statements. A part that cannot be parsed becomes a statement without
// a syntax tree, and the rest is still read: Python has more forms than the parser knows.
func statements(text string) (all []statement) {
	lines := strings.SplitAfter(text, "\n")
	for i := 0; i < len(lines); {
		if blank(lines[i]) {
			i++
			continue
		}
		s, length := longest(lines[i:])
		s.line = i + 1
		i += length
		if !imports.MatchString(strings.TrimSpace(s.text)) {
			all = append(all, s)
		}
	}
	return all
}

func blank(line string) bool {
	trimmed := strings.TrimSpace(line)
	return trimmed == "" || strings.HasPrefix(trimmed, "#")
}

// longest takes the longest run of lines that parses as one statement, or else the first line with
// the indented lines below it.
func longest(lines []string) (statement, int) {
	var text strings.Builder
	for n, line := range lines[:min(len(lines), mostLines)] {
		if n > 0 && complete(text.String()) && !continues(line) {
			break
		}
		text.WriteString(line)
		if parsed := parse(text.String()); parsed != nil && (n+1 == len(lines) || !continues(lines[n+1])) {
			return statement{text: text.String(), parsed: parsed}, n + 1
		}
	}
	n := 1
	for n < len(lines) && (continues(lines[n]) || blank(lines[n])) {
		n++
	}
	return statement{text: strings.Join(lines[:n], "")}, n
}

// continues reports whether a line belongs to the line above: it is indented, closes a bracket, or
// is the other half of a compound statement.
func continues(line string) bool {
	if line == "" || strings.TrimSpace(line) == "" {
		return false
	}
	if strings.ContainsAny(line[:1], " \t)]}") {
		return true
	}
	for _, half := range []string{"else:", "elif ", "except", "finally:"} {
		if strings.HasPrefix(line, half) {
			return true
		}
	}
	return false
}

// complete reports whether the text has no open long string and no open bracket. It only counts
// quotes and brackets.
func complete(text string) bool {
	return strings.Count(text, `"""`)%2 == 0 && strings.Count(text, "'''")%2 == 0 &&
		strings.Count(text, "(")+strings.Count(text, "[")+strings.Count(text, "{") <=
			strings.Count(text, ")")+strings.Count(text, "]")+strings.Count(text, "}")
}

// parse returns the syntax tree of a text with exactly one statement, or nil.
func parse(text string) syntax.Stmt {
	file, err := new(syntax.FileOptions).Parse("", text, 0)
	if err != nil || len(file.Stmts) != 1 {
		return nil
	}
	return file.Stmts[0]
}

// abbreviated returns the first 60 characters of a text.
func abbreviated(text string) string {
	runes := []rune(text)
	return string(runes[:min(len(runes), 60)])
}
