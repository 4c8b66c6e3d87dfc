// Package svg reads an SVG's text on its way to librsvg: which languages it has, and
// whether rules of CSS may change its size; and it mends what librsvg reads otherwise than
// browsers do. It looks at tags alone, in one pass, and holds of a tag no more than its
// beginning, however large the drawing is.
package svg

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// maxHeld is how much of a tag is held, in bytes: all but the pictures in data URIs.
const maxHeld = 4 << 10

// kind says what a part of the text is.
type kind int

const (
	other kind = iota // text between tags, an end tag, a comment, the rest of a long tag
	whole             // a start tag from "<" to ">"
	start             // the first maxHeld bytes of a longer start tag
)

// scanner cuts the text of an SVG into start tags and all else. Comments, CDATA sections,
// instructions and document types are all else.
type scanner struct {
	in   *bufio.Reader
	each func(text string, k kind) error
	held []byte
}

// scan calls each for all parts in their order; together they are the whole text. Errors
// are each's, and in's.
func scan(in io.Reader, each func(text string, k kind) error) error {
	s := scanner{in: bufio.NewReaderSize(in, 64<<10), each: each}
	for {
		err := s.next()
		if errors.Is(err, io.EOF) {
			return s.give(other)
		}
		if err != nil {
			return err
		}
	}
}

// give passes on what is held.
func (s *scanner) give(k kind) error {
	if len(s.held) == 0 {
		return nil
	}
	text := string(s.held)
	s.held = s.held[:0]
	return s.each(text, k)
}

// take reads one byte and holds it, after it passed on as a part of that kind what is too
// much to hold.
func (s *scanner) take(k kind) (byte, error) {
	if len(s.held) == maxHeld {
		if err := s.give(k); err != nil {
			return 0, err
		}
	}
	b, err := s.in.ReadByte()
	if err == nil {
		s.held = append(s.held, b)
	}
	return b, err
}

// sections are what begins with "<" and is no tag, and how each ends.
var sections = []struct{ opening, closing string }{{"!--", "-->"}, {"![CDATA[", "]]>"}, {"?", "?>"}, {"/", ">"}}

// next reads text to the next "<", and what begins there.
func (s *scanner) next() error {
	for {
		text, err := s.in.ReadSlice('<')
		found := err == nil
		if found {
			text = text[:len(text)-1]
		}
		s.held = append(s.held, text...)
		if given := s.give(other); given != nil {
			return given
		}
		if found {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
	s.held = append(s.held, '<')
	first, _ := s.in.Peek(8)
	for _, section := range sections {
		if strings.HasPrefix(string(first), section.opening) {
			return s.skip(len(section.opening), section.closing)
		}
	}
	if strings.HasPrefix(string(first), "!") {
		return s.documentType()
	}
	return s.tag()
}

// skip passes on a section, whose opening has so many bytes, to the end of its closing.
func (s *scanner) skip(opening int, closing string) error {
	var last [3]byte
	tail := last[len(last)-len(closing):]
	for at := 1; ; at++ {
		b, err := s.take(other)
		if err != nil {
			return err
		}
		copy(last[:], last[1:])
		last[len(last)-1] = b
		if at >= opening+len(closing) && string(tail) == closing {
			return s.give(other)
		}
	}
}

// documentType passes on a document type with its declarations, which may hold tags.
func (s *scanner) documentType() error {
	var quote byte
	for depth := 0; ; {
		b, err := s.take(other)
		switch {
		case err != nil:
			return err
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"' || b == '\'':
			quote = b
		case b == '[':
			depth++
		case b == ']':
			depth--
		case b == '>' && depth <= 0:
			return s.give(other)
		}
	}
}

// tag passes on a start tag.
func (s *scanner) tag() error {
	var quote byte
	length, long := start, false
	for {
		if len(s.held) == maxHeld && long {
			length = other
		}
		long = long || len(s.held) == maxHeld
		b, err := s.take(length)
		switch {
		case err != nil:
			return err
		case quote != 0:
			if b == quote {
				quote = 0
			}
		case b == '"' || b == '\'':
			quote = b
		case b == '>' && long:
			return s.give(other)
		case b == '>':
			return s.give(whole)
		}
	}
}
