package main

import (
	"strings"
	"unicode"
)

// text is the prose of one file.
type text struct {
	path       string
	paragraphs []paragraph
}

// String gives each paragraph a line of its own, and a blank line after it: line 2i+1 is
// paragraph i.
func (t text) String() string {
	var b strings.Builder
	for _, p := range t.paragraphs {
		b.WriteString(p.String() + "\n\n")
	}
	return b.String()
}

// paragraph is words that belong together, with the lines that they come from.
type paragraph struct{ pieces []piece }

// piece is what one line of a file adds to a paragraph.
type piece struct {
	line int
	text string
}

func (p paragraph) String() string {
	words := make([]string, len(p.pieces))
	for i, piece := range p.pieces {
		words[i] = piece.text
	}
	return strings.Join(words, " ")
}

// at returns the line of the paragraph's character at an offset, and the sentence around it.
func (p paragraph) at(offset int) (line int, sentence string) {
	whole := []rune(p.String())
	offset = max(0, min(offset, len(whole)-1))
	seen := 0
	for _, piece := range p.pieces {
		line = piece.line
		if seen += len([]rune(piece.text)) + 1; offset < seen {
			break
		}
	}
	return line, strings.TrimSpace(string(around(whole, offset)))
}

// around returns the sentence of a text in which an offset lies. A sentence ends at a full
// stop, a question mark or an exclamation mark that a space follows.
func around(whole []rune, offset int) []rune {
	ends := func(i int) bool {
		return strings.ContainsRune(".?!", whole[i]) && i+1 < len(whole) && unicode.IsSpace(whole[i+1])
	}
	start, end := offset, offset
	for start > 0 && !ends(start-1) {
		start--
	}
	for end < len(whole)-1 && !ends(end) {
		end++
	}
	return whole[start : end+1]
}

// add appends lines that follow each other as paragraphs, which blank lines and changes of
// structure divide.
func (t *text) add(pieces []piece) {
	var now paragraph
	flush := func() {
		if len(now.pieces) > 0 {
			t.paragraphs = append(t.paragraphs, now)
		}
		now = paragraph{}
	}
	for _, p := range pieces {
		trimmed := strings.TrimSpace(p.text)
		if trimmed == "" || starts(trimmed) {
			flush()
		}
		if trimmed = strings.TrimLeft(trimmed, "-*# "); trimmed != "" {
			now.pieces = append(now.pieces, piece{p.line, strings.Join(strings.Fields(trimmed), " ")})
		}
	}
	flush()
}

// starts reports whether a line begins a paragraph of its own: an item of a list, a heading.
func starts(line string) bool {
	return strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "* ") || strings.HasPrefix(line, "#")
}

// leastWords is how many plain words a string has at least that is taken for prose.
const leastWords = 3

// isProse reports whether a string of a program is a sentence or a part of one: at least three
// plain words, and half of everything between spaces. Keys, paths, patterns, commands and test
// inputs have fewer.
func isProse(s string) bool {
	fields := strings.Fields(s)
	plain := 0
	for _, f := range fields {
		if isWord(strings.Trim(f, `.,:;!?()"'`)) {
			plain++
		}
	}
	return plain >= leastWords && 2*plain >= len(fields) && !strings.HasPrefix(s, "<")
}

// isWord reports whether a string is a word of letters, apostrophes and hyphens.
func isWord(s string) bool {
	other := func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' && r != '’' && r != '-' }
	return s != "" && s[0] != '-' && !strings.ContainsFunc(s, other)
}
