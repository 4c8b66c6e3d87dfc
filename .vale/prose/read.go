package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// read takes the prose out of a file, by its kind. Files of other kinds have none.
func read(path string) (t text, err error) {
	if !readable(path) {
		return t, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	switch lines := strings.Split(string(content), "\n"); {
	case filepath.Ext(path) == ".go":
		return readGo(path, content)
	case filepath.Ext(path) == ".md":
		t.add(readMarkdown(lines))
	case filepath.Ext(path) == ".html":
		t.add(readHTML(string(content)))
	default:
		t.add(readHashes(lines))
	}
	return t, nil
}

// readable reports whether a file is of a kind that has prose.
func readable(path string) bool {
	switch filepath.Ext(path) {
	case ".go", ".md", ".html", ".yml", ".yaml", ".vcl", ".conf", ".service", ".sh":
		return true
	}
	return filepath.Base(path) == "Makefile" || filepath.Base(path) == "Dockerfile"
}

// readGo returns a Go file's comments and those of its strings that are prose. In tests only
// the strings count that a test prints: others are inputs.
func readGo(path string, content []byte) (t text, err error) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, content, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return t, err
	}
	for _, group := range file.Comments {
		t.add(comment(set, group))
	}
	test := strings.HasSuffix(path, "_test.go")
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			return n.Tag == nil
		case *ast.CallExpr:
			if test && prints(n) {
				for _, arg := range n.Args {
					t.addString(set, arg)
				}
			}
		case *ast.BinaryExpr:
			if !test {
				t.addString(set, n)
			}
			return false
		case *ast.BasicLit:
			if !test {
				t.addString(set, n)
			}
		}
		return true
	})
	return t, nil
}

// printers are the methods of testing.T whose strings people read.
var printers = regexp.MustCompile(`^(Error|Errorf|Fatal|Fatalf|Log|Logf|Skip|Skipf)$`)

// prints reports whether a call prints a test's message.
func prints(call *ast.CallExpr) bool {
	method, ok := call.Fun.(*ast.SelectorExpr)
	return ok && printers.MatchString(method.Sel.Name)
}

// directives are comments that tools read.
var directives = regexp.MustCompile(`^//(go:|nolint|line |export |lint:|#)`)

// comment returns the lines of a comment without its marks. Indented lines are code, and
// blank here.
func comment(set *token.FileSet, group *ast.CommentGroup) (pieces []piece) {
	for _, c := range group.List {
		line := set.Position(c.Pos()).Line
		if directives.MatchString(c.Text) {
			continue
		}
		body := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(c.Text, "//"), "/*"), "*/")
		for i, words := range strings.Split(body, "\n") {
			if strings.HasPrefix(words, "\t") || strings.HasPrefix(words, "    ") {
				words = ""
			}
			pieces = append(pieces, piece{line + i, words})
		}
	}
	return pieces
}

// addString adds a string literal, or literals that are joined by +, if they are prose.
func (t *text) addString(set *token.FileSet, e ast.Expr) {
	var pieces []piece
	var words []string
	ast.Inspect(e, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return ok || n == e || isJoin(n)
		}
		s, err := strconv.Unquote(lit.Value)
		if err != nil {
			return false
		}
		words = append(words, s)
		for i, line := range strings.Split(s, "\n") {
			pieces = append(pieces, piece{set.Position(lit.Pos()).Line + i, line})
		}
		return false
	})
	if isProse(strings.Join(words, " ")) {
		t.add(pieces)
	}
}

// isJoin reports whether a node is a sum or parentheses.
func isJoin(n ast.Node) bool {
	switch n.(type) {
	case *ast.BinaryExpr, *ast.ParenExpr:
		return true
	}
	return false
}

var (
	inlineCode = regexp.MustCompile("`[^`]*`|\"[^\"]{1,30}\"") // and words that are spoken of
	link       = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	tag        = regexp.MustCompile(`(?s)<(script|style)\b.*?</(script|style)>|<!--|-->|<[^>]*>|\{\{.*?\}\}`)
)

// readMarkdown returns a page's lines without headings and blocks of code, and with a stand-in
// for code in a line. Each cell of a table is a paragraph. It leaves out the sentences that a
// page shows as bad ones: before → in a list, and in the glossary's last column.
func readMarkdown(lines []string) (pieces []piece) {
	fenced, glossary := false, false
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced, line = !fenced, ""
		}
		if fenced || strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "#") {
			line = ""
		}
		if _, good, example := strings.Cut(line, " → "); example && strings.HasPrefix(line, "- ") {
			line = "- " + good
		}
		line = inlineCode.ReplaceAllString(link.ReplaceAllString(line, "$1"), "`code`")
		if !strings.HasPrefix(line, "|") {
			pieces = append(pieces, piece{i + 1, line})
			continue
		}
		cells := strings.Split(line, "|")
		if glossary = strings.HasPrefix(line, "| word |") || glossary && i > 0 && strings.HasPrefix(lines[i-1], "|"); glossary {
			cells = cells[:3]
		}
		for _, cell := range cells {
			pieces = append(pieces, piece{i + 1, cell}, piece{i + 1, ""})
		}
	}
	return pieces
}

// readHTML returns the words between a page's tags.
func readHTML(page string) (pieces []piece) {
	bare := tag.ReplaceAllStringFunc(page, func(s string) string {
		return "\x00" + strings.Repeat("\n", strings.Count(s, "\n")) + "\x00"
	})
	for i, line := range strings.Split(bare, "\n") {
		for words := range strings.SplitSeq(line, "\x00") {
			pieces = append(pieces, piece{i + 1, words}, piece{i + 1, ""})
		}
	}
	return pieces
}

// described are keys of YAML whose values people read.
var described = regexp.MustCompile(`^\s*(?:- )?(?:summary|description|message): *["']?(.*?)["']?$`)

// hash is a comment after #, and a Makefile's help after ##.
var hash = regexp.MustCompile(`(?:^|\s)##?\s(.*)$`)

// readHashes returns the comments of a file whose comments begin with #, and the values of
// its descriptions.
func readHashes(lines []string) (pieces []piece) {
	for i, line := range lines {
		var words string
		if m := described.FindStringSubmatch(line); m != nil {
			words = m[1]
		} else if m := hash.FindStringSubmatch(line); m != nil {
			words = m[1]
		}
		whole := strings.HasPrefix(strings.TrimSpace(line), "#")
		if !whole {
			pieces = append(pieces, piece{i + 1, ""})
		}
		pieces = append(pieces, piece{i + 1, words})
		if !whole {
			pieces = append(pieces, piece{i + 1, ""})
		}
	}
	return pieces
}
