package svg

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// maxHeld bounds the bytes of a tag that are held. Only pictures in data URIs are longer.
const maxHeld = 4 << 10

// kind is the kind of a part of the text.
type kind int

const (
	other kind = iota // text between tags, a comment, a middle part of a long tag
	whole             // a start tag from "<" to ">"
	start             // the first maxHeld bytes of a longer start tag
	tail              // the last bytes of a longer start tag
	end               // an end tag
)

// scanner cuts the text of an SVG into start tags and other parts. Comments, CDATA sections, instructions
// and document types are other parts.
type scanner struct {
	in   *bufio.Reader
	each func(text string, k kind) error
	held []byte
}

// scan calls each for all parts in their order; the parts together are the whole text. It returns errors of
// each and of in.
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

// give calls each with the held text, and empties held.
func (s *scanner) give(k kind) error {
	if len(s.held) == 0 {
		return nil
	}
	text := string(s.held)
	s.held = s.held[:0]
	return s.each(text, k)
}

// take reads one byte and holds it. If held is full, it first gives the held text as a part of this kind.
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

// sections are the parts that begin with "<" and are not start tags: their beginnings behind "<", their
// closings, and their kinds.
var sections = []section{{"!--", "-->", other}, {"![CDATA[", "]]>", other}, {"?", "?>", other}, {"/", ">", end}}

type section struct {
	opening, closing string
	kind             kind
}

// next reads the text up to the next "<", and the tag or section that begins there.
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
			return s.skip(section)
		}
	}
	if strings.HasPrefix(string(first), "!") {
		return s.documentType()
	}
	return s.tag()
}

// skip gives a section up to the end of its closing.
func (s *scanner) skip(of section) error {
	var last [3]byte
	closing := last[len(last)-len(of.closing):]
	for at := 1; ; at++ {
		b, err := s.take(other)
		if err != nil {
			return err
		}
		copy(last[:], last[1:])
		last[len(last)-1] = b
		if at >= len(of.opening)+len(closing) && string(closing) == of.closing {
			return s.give(of.kind)
		}
	}
}

// documentType gives a document type with its declarations, which can contain tags.
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

// tag gives a start tag, or the beginning and the rest of a long start tag.
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
			return s.give(tail)
		case b == '>':
			return s.give(whole)
		}
	}
}
