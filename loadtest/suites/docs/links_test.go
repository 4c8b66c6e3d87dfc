package docs

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// Every link within the repository leads to an existing file, folder or heading. Every block of
// code names its language, which the site needs for its colours.
func TestLinks(t *testing.T) {
	all := allPages(t)
	if len(all) < 10 {
		t.Fatalf("only %d pages are found", len(all))
	}
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(root, filepath.FromSlash(name)))
		return err == nil
	}
	for _, problem := range problems(all, there) {
		t.Error(problem)
	}
}

func TestProblemsAreFound(t *testing.T) {
	other := "# Other\n\n## A `b.c`, and d\n\n## Twice\n\n## Twice\n"
	there := func(name string) bool { return name == "docs/other.md" || name == "main.go" || name == "deploy" }
	for name, c := range map[string]struct{ page, says string }{
		"a page":                {"[a](other.md)", ""},
		"a file above":          {"[a](../main.go)", ""},
		"a folder":              {"[a](../deploy/)", ""},
		"another site":          {"[a](https://example.org/#a)", ""},
		"a heading":             {"[a](other.md#a-bc-and-d)", ""},
		"a heading a 2nd time":  {"[a](other.md#twice-1)", ""},
		"a heading here":        {"# Here\n\n[a](#here)", ""},
		"code":                  {"`[a](nowhere.md)`", ""},
		"a language":            {"```sh\nls\n```", ""},
		"no page":               {"[a](nowhere.md)", "docs/page.md:1: the link nowhere.md leads nowhere: docs/nowhere.md does not exist"},
		"no picture":            {"\n![a](nowhere.png)", "docs/page.md:2: the link nowhere.png"},
		"no page, in a table":   {"| a |\n|---|\n| [a](nowhere.md) |", "the link nowhere.md"},
		"no page, by reference": {"[a][b]\n\n[b]: nowhere.md", "the link nowhere.md"},
		"no heading":            {"[a](other.md#b)", "docs/other.md has no heading #b"},
		"no heading here":       {"[a](#b)", "docs/page.md has no heading #b"},
		"outside":               {"[a](../../x.md)", "leads out of the repository"},
		"from the root":         {"[a](/main.go)", "begins with /"},
		"no language":           {"text\n\n```\nls\n```", "docs/page.md:4: a block of code names no language"},
	} {
		t.Run(name, func(t *testing.T) {
			found := strings.Join(problems(map[string]string{"docs/page.md": c.page, "docs/other.md": other}, there), "\n")
			if (found == "") != (c.says == "") || !strings.Contains(found, c.says) {
				t.Errorf("%q", found)
			}
		})
	}
}

// allPages returns all Markdown pages of the repository, by path.
func allPages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() {
			if name != ".." && strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "bin", "data", "testdata"}, name) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".md" {
			return nil
		}
		body, err := os.ReadFile(file)
		relative, _ := filepath.Rel(root, file)
		all[filepath.ToSlash(relative)] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// document is a parsed page.
type document struct {
	name   string
	source []byte
	tree   ast.Node
	ids    map[string]bool // of its headings
}

func parse(name, source string) document {
	d := document{name: name, source: []byte(source), ids: map[string]bool{}}
	d.tree = goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(d.source))
	times := map[string]int{}
	d.each(func(n ast.Node) {
		if heading, ok := n.(*ast.Heading); ok {
			id := slug(d.plain(heading))
			if times[id]++; times[id] > 1 {
				id = fmt.Sprintf("%s-%d", id, times[id]-1)
			}
			d.ids[id] = true
		}
	})
	return d
}

// each visits every node.
func (d document) each(visit func(ast.Node)) {
	_ = ast.Walk(d.tree, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			visit(n)
		}
		return ast.WalkContinue, nil
	})
}

// plain returns the text of a node without marks.
func (d document) plain(n ast.Node) string {
	var words strings.Builder
	for child := n.FirstChild(); child != nil; child = child.NextSibling() {
		if leaf, ok := child.(*ast.Text); ok {
			words.Write(leaf.Segment.Value(d.source))
			continue
		}
		words.WriteString(d.plain(child))
	}
	return words.String()
}

var dropped = regexp.MustCompile(`[^\p{L}\p{M}\p{N}\p{Pc}\- ]`)

// slug returns the id of a heading at a Git host, and in the site (docs/.vitepress/config.mjs).
func slug(heading string) string {
	return strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), ""), " ", "-")
}

// problems returns the problems of pages, by page and line.
func problems(pages map[string]string, there func(string) bool) (all []string) {
	documents := map[string]document{}
	for name, source := range pages {
		documents[name] = parse(name, source)
	}
	for _, d := range documents {
		d.each(func(n ast.Node) {
			problem := ""
			switch n := n.(type) {
			case *ast.Link:
				problem = follow(documents, d.name, string(n.Destination), there)
			case *ast.Image:
				problem = follow(documents, d.name, string(n.Destination), there)
			case *ast.FencedCodeBlock:
				if len(n.Language(d.source)) == 0 {
					problem = "a block of code names no language: add one such as sh, yaml, http or text"
				}
			}
			if problem != "" {
				all = append(all, fmt.Sprintf("%s:%d: %s", d.name, d.line(n), problem))
			}
		})
	}
	slices.Sort(all)
	return all
}

// line returns the first line of a node's block.
func (d document) line(n ast.Node) int {
	for ; n != nil; n = n.Parent() {
		if n.Type() == ast.TypeInline {
			continue
		}
		if lines := n.Lines(); lines != nil && lines.Len() > 0 {
			return 1 + strings.Count(string(d.source[:lines.At(0).Start]), "\n")
		}
	}
	return 1
}

// follow returns the problem of a link, or "".
func follow(documents map[string]document, from, link string, there func(string) bool) string {
	to, err := url.Parse(link)
	switch {
	case err != nil:
		return fmt.Sprintf("the link %s is not a URL: %v", link, err)
	case to.Scheme != "" || to.Host != "":
		return ""
	case strings.HasPrefix(to.Path, "/"):
		return fmt.Sprintf("the link %s begins with /: begin it at the page's folder", link)
	}
	target := from
	if to.Path != "" {
		target = path.Join(path.Dir(from), to.Path)
	}
	d, page := documents[target]
	switch {
	case strings.HasPrefix(target, "../"):
		return fmt.Sprintf("the link %s leads out of the repository", link)
	case !page && !there(target):
		return fmt.Sprintf("the link %s leads nowhere: %s does not exist", link, target)
	case to.Fragment != "" && page && !d.ids[to.Fragment]:
		return fmt.Sprintf("the link %s leads to no place: %s has no heading #%s", link, target, to.Fragment)
	}
	return ""
}
