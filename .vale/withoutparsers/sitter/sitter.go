// Package sitter has the names of go-tree-sitter that vale uses, and parses nothing.
package sitter

import (
	"context"
	"errors"
)

// ErrNoParser is the error of each attempt to parse source code.
var ErrNoParser = errors.New("this vale has no parsers of source code: give it text or Markdown")

// Language is a language that is not parsed.
type Language struct{}

// Parser returns ErrNoParser for every source.
type Parser struct{}

// NewParser returns a parser.
func NewParser() *Parser { return &Parser{} }

// SetLanguage does nothing.
func (*Parser) SetLanguage(*Language) {}

// ParseCtx returns ErrNoParser.
func (*Parser) ParseCtx(context.Context, *Tree, []byte) (*Tree, error) { return nil, ErrNoParser }

// Tree is an empty tree.
type Tree struct{}

// RootNode returns an empty node.
func (*Tree) RootNode() *Node { return &Node{} }

// Node is an empty node.
type Node struct{}

// Point is a place in a source.
type Point struct{ Row, Column uint32 }

// Content returns "".
func (*Node) Content([]byte) string { return "" }

// StartPoint returns the beginning.
func (*Node) StartPoint() Point { return Point{} }

// Query matches nothing.
type Query struct{}

// NewQuery returns ErrNoParser.
func NewQuery([]byte, *Language) (*Query, error) { return nil, ErrNoParser }

// CaptureNameForId returns "".
func (*Query) CaptureNameForId(uint32) string { return "" }

// QueryCapture is a part of a match.
type QueryCapture struct {
	Index uint32
	Node  *Node
}

// QueryMatch is a match.
type QueryMatch struct{ Captures []QueryCapture }

// QueryCursor finds nothing.
type QueryCursor struct{}

// NewQueryCursor returns a cursor.
func NewQueryCursor() *QueryCursor { return &QueryCursor{} }

// Exec does nothing.
func (*QueryCursor) Exec(*Query, *Node) {}

// NextMatch returns no match.
func (*QueryCursor) NextMatch() (*QueryMatch, bool) { return nil, false }

// FilterPredicates returns m.
func (*QueryCursor) FilterPredicates(m *QueryMatch, _ []byte) *QueryMatch { return m }
