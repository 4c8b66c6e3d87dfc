package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"
)

const module = "github.com/thumbmill/thumbmill/"

// pkg is what go list tells of a package.
type pkg struct {
	ImportPath   string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
	CgoFiles     []string
}

func packages(t *testing.T) (all []pkg) {
	t.Helper()
	list := exec.Command("go", "list", "-json=ImportPath,Doc,Imports,TestImports,XTestImports,GoFiles,CgoFiles", "./...")
	list.Stderr = os.Stderr
	out, err := list.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := list.Start(); err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(out); ; {
		var p pkg
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if err := list.Wait(); err != nil {
		t.Fatal(err)
	}
	return all
}

// place is a package's top folder: edge, coordinator, renderer, shared, loadtest,
// deploy, or "" for the root.
func place(importPath string) string {
	rest, ours := strings.CutPrefix(importPath, module)
	if !ours {
		return ""
	}
	top, _, _ := strings.Cut(rest, "/")
	return top
}

// The rules of who imports whom, each with its reason.
var rules = []struct {
	reason  string
	forbids func(from, to string) bool
}{
	{"roles run on different machines: code that two of them need belongs in shared", func(from, to string) bool {
		return role(place(from)) && role(place(to)) && place(from) != place(to)
	}},
	{"roles build on shared, and shared imports no role", func(from, to string) bool {
		return place(from) == "shared" && role(place(to))
	}},
	{"commands reach the internals of a role through the role, so that its Config holds every setting", func(from, to string) bool {
		inside := strings.Contains(from, "/internal/")
		command := strings.Contains(from, "/cmd/") || strings.HasSuffix(from, "/commands")
		return command && strings.Contains(to, "/internal/") || inside && to == module+place(from)
	}},
	{"only deploy/serve brings several roles together", func(from, to string) bool {
		product := place(from) != "loadtest" && !role(place(from))
		return product && role(strings.TrimPrefix(to, module)) && from != module+"deploy/serve"
	}},
	{"decoders never run in a process that talks to the network: only workers import the engine", func(from, to string) bool {
		return to == module+"renderer/internal/vips" && from != module+"renderer/internal/worker"
	}},
	{"the product imports neither tests nor their fixtures", func(from, to string) bool {
		return place(to) == "loadtest" && place(from) != "loadtest"
	}},
	{"the load tool stands without tests: it imports neither fixtures nor suites", func(from, to string) bool {
		return house(from) == "tool" && (house(to) == "fixtures" || house(to) == "suites")
	}},
	{"suites use fixtures, and fixtures never use suites", func(from, to string) bool {
		return house(from) == "fixtures" && house(to) == "suites"
	}},
	{"the lock table does no I/O, so that its tests need none", func(from, to string) bool {
		return from == module+"coordinator/internal/pools" && (to == "net" || to == "os" || to == "log/slog")
	}},
}

// house is the part of loadtest that a package belongs to: tool, fixtures, suites or cmd.
func house(importPath string) string {
	rest, inside := strings.CutPrefix(importPath, module+"loadtest/")
	if !inside {
		return ""
	}
	house, _, _ := strings.Cut(rest, "/")
	return house
}

func role(top string) bool { return top == "edge" || top == "coordinator" || top == "renderer" }

// The root is a command, and what keeps the structure: everything else has a folder that
// says what it belongs to.
func TestTheRootHasTwoFiles(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || !slices.Equal(files, []string{"architecture_test.go", "main.go"}) {
		t.Errorf("Go files of the root: %v %v", files, err)
	}
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		for _, to := range p.Imports {
			for _, r := range rules {
				if r.forbids(p.ImportPath, to) {
					t.Errorf("%s imports %s, but %s", p.ImportPath, to, r.reason)
				}
			}
		}
	}
}

func TestEachPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles)+len(p.CgoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, vague := range []string{"util", "utils", "common", "types", "helpers", "misc"} {
			if filepath.Base(p.ImportPath) == vague {
				t.Errorf("%s is named for nothing", p.ImportPath)
			}
		}
	}
}

// A package in shared that one role alone imports, and nothing else in shared,
// belongs to that role.
func TestSharedIsShared(t *testing.T) {
	users := map[string]map[string]bool{}
	for _, p := range packages(t) {
		for _, to := range p.Imports {
			if place(to) == "shared" {
				if users[to] == nil {
					users[to] = map[string]bool{}
				}
				users[to][place(p.ImportPath)] = true
			}
		}
	}
	for to, by := range users {
		if len(by) < 2 && !by["shared"] {
			t.Errorf("%s is imported from %v alone", to, by)
		}
	}
	if files, _ := filepath.Glob("shared/*.go"); len(files) > 0 {
		t.Errorf("no .go file lies directly in shared: %v", files)
	}
}

// A subscription that is not made by package queue lacks its check that a message was
// meant for it.
func TestSubscriptionsAreMadeByTheQueue(t *testing.T) {
	eachFile(t, func(path string, file *ast.File) {
		if strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "shared/queue/") {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			from, _ := call.X.(*ast.Ident)
			if strings.Contains(call.Sel.Name, "Subscribe") && call.Sel.Name != "Unsubscribe" && (from == nil || from.Name != "queue") {
				t.Errorf("%s: %s is called, and not queue.Subscribe", path, call.Sel.Name)
			}
			return true
		})
	})
}

// mostSleeps is how many times tests of the whole module may sleep outside synctest.
const mostSleeps = 20

// A test waits for a condition, with a bound (loadtest/fixtures/eventually), or lives in
// synctest's time. The few sleeps that are left have their reason beside them: a comment on
// their line or on the one before.
func TestSleepsHaveReasons(t *testing.T) {
	var all []string
	eachFile(t, func(path string, file *ast.File) {
		if !strings.HasSuffix(path, "_test.go") {
			return
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		for _, at := range sleeps(file) {
			line := 1 + strings.Count(string(text[:at-file.FileStart]), "\n")
			where := fmt.Sprintf("%s:%d", path, line)
			all = append(all, where)
			if before := strings.TrimSpace(lines[line-2]); !strings.Contains(lines[line-1], "//") && !strings.HasPrefix(before, "//") {
				t.Errorf("%s sleeps, and no comment beside it says why", where)
			}
		}
	})
	if len(all) > mostSleeps {
		t.Errorf("tests sleep %d times, and at most %d are allowed: wait for a condition instead\n%s", len(all), mostSleeps, strings.Join(all, "\n"))
	}
}

func TestSleepsAreFound(t *testing.T) {
	const text = `package p
func f() {
	time.Sleep(1)
	<-time.After(1)
	_ = periodic.Sleep(ctx, 1)
	go func() { time.Sleep(1) }()
	synctest.Test(t, func(t *testing.T) { time.Sleep(1); <-time.After(1) })
	select {
	case <-done:
		time.Sleep(1)
	case <-time.After(1):
	}
}`
	file, err := parser.ParseFile(token.NewFileSet(), "p_test.go", text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(sleeps(file)); n != 5 {
		t.Errorf("%d of 5 sleeps are found", n)
	}
}

// sleeps are the places where a file waits for a while outside synctest: time.Sleep,
// periodic.Sleep, and a receive of time.After that is no bound of a select.
func sleeps(file *ast.File) (all []token.Pos) {
	bounds := map[ast.Stmt]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CommClause:
			bounds[n.Comm] = true
		case *ast.ExprStmt:
			if receive, ok := n.X.(*ast.UnaryExpr); ok && receive.Op == token.ARROW && calls(receive.X, "time", "After") && !bounds[n] {
				all = append(all, n.Pos())
			}
		case *ast.CallExpr:
			if calls(n, "synctest", "Test") {
				return false
			}
			if calls(n, "time", "Sleep") || calls(n, "periodic", "Sleep") {
				all = append(all, n.Pos())
			}
		}
		return true
	})
	return all
}

// calls reports whether an expression is a call of a package's function.
func calls(e ast.Expr, pkg, function string) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || f.Sel.Name != function {
		return false
	}
	from, ok := f.X.(*ast.Ident)
	return ok && from.Name == pkg
}

// embeds is the structs that embed something, each with its reason: it satisfies an
// interface, of which all methods but one or two are those of what it embeds.
var embeds = map[string]string{
	"coordinator/internal/gate: begun":          "a net.Conn whose first bytes were read already",
	"coordinator/internal/gate: local":          "a net.Conn with another address, in a test",
	"edge/internal/bulk: closer":                "an objectstore.Object that notes its end, in a test",
	"edge/internal/front: limited":              "a net.Listener that bounds its connections",
	"edge/internal/front: gathering":            "a net.Conn that sends head and body at once; io.Copy finds the TCP connection's ReadFrom",
	"edge/internal/obtain: object":              "an objectstore.Object, in a test",
	"edge/internal/stored: slow":                "an objectstore.Store that waits, in a test",
	"loadtest/fixtures/eventually: noted":       "a testing.TB that notes its failure, in a test",
	"loadtest/suites/capacity: content":         "an objectstore.Object, in a test",
	"loadtest/suites/cluster: hooked":           "an objectstore.Store that tests reach into",
	"renderer/internal/engine: lacking":         "engine.Workers without a program, in a test",
	"renderer/internal/pipeline: originals":     "an objectstore.Store that notes questions, in a test",
	"renderer/internal/source: store":           "an objectstore.Store that breaks off, in a test",
	"shared/logging: traced":                    "a slog.Handler that adds the trace",
	"shared/objectstore/byprefix: named":        "an objectstore.Store that notes what it is asked for, in a test",
	"shared/objectstore/directory: section":     "an objectstore.Object that is a part of a file",
	"shared/objectstore/directory: whole":       "an objectstore.Plain, which is all of a file",
	"shared/objectstore/open: unverified":       "an objectstore.Store that tells no MD5",
	"shared/objectstore/open: telling":          "an objectstore.Store that tells an MD5, in a test",
	"shared/objectstore/httpstore: counting":    "a net.Listener that counts, in a test",
	"shared/objectstore/swiftstore: idempotent": "an http.RoundTripper; ncw/swift finds the transport's other methods by type assertion",
	"shared/objectstore/swiftstore: closing":    "an objectstore.Object that ends its request",
	"shared/objectstore: Whole":                 "an objectstore.Object in memory",
}

// A line tells what it may touch: structs name their fields, and embed only to satisfy an
// interface.
func TestStructsEmbedForAnInterfaceAlone(t *testing.T) {
	found := map[string]bool{}
	eachFile(t, func(path string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			named, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if fields, ok := named.Type.(*ast.StructType); ok && embedsSomething(fields) {
				found[filepath.ToSlash(filepath.Dir(path))+": "+named.Name.Name] = true
			}
			return true
		})
	})
	for name := range found {
		if embeds[name] == "" {
			t.Errorf("%s embeds: give the field a name, or say here which interface it satisfies", name)
		}
	}
	for name := range embeds {
		if !found[name] {
			t.Errorf("%s embeds nothing any more", name)
		}
	}
}

func embedsSomething(s *ast.StructType) bool {
	return slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool { return len(f.Names) == 0 })
}

// Bounds of functions, in lines with the signature and the closing brace.
const (
	longestFunction = 60
	mostFunctions   = 25 // nine in ten have at most so many
)

func TestFunctionsAreShort(t *testing.T) {
	var lengths []int
	fset := token.NewFileSet()
	eachFile(t, func(path string, _ *ast.File) {
		file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := fset.Position(f.End()).Line - fset.Position(f.Pos()).Line + 1
			if !strings.HasSuffix(path, "_test.go") {
				lengths = append(lengths, lines)
				if lines > longestFunction {
					t.Errorf("%s: %s has %d lines, and at most %d are allowed", path, f.Name.Name, lines, longestFunction)
				}
			}
		}
	})
	slices.Sort(lengths)
	if ninth := lengths[len(lengths)*9/10]; ninth > mostFunctions {
		t.Errorf("nine in ten functions have up to %d lines, and %d are allowed", ninth, mostFunctions)
	}
}

// eachFile parses each Go file of the module, tests included.
func eachFile(t *testing.T, look func(path string, file *ast.File)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err == nil {
			look(path, file)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// docs/architecture.md names every package of the product, and every rule.
func TestTheArchitecturePageIsTrue(t *testing.T) {
	text, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ToLower(strings.Join(strings.Fields(string(text)), " "))
	prose := strings.ReplaceAll(page, "`", "")
	for _, p := range packages(t) {
		if place(p.ImportPath) == "loadtest" || place(p.ImportPath) == "" || len(p.GoFiles)+len(p.CgoFiles) == 0 {
			continue
		}
		path := strings.TrimPrefix(p.ImportPath, module)
		_, inside, _ := strings.Cut(path, "/internal/")
		if !strings.Contains(page, "`"+path+"`") && !strings.Contains(page, "`"+cmp.Or(inside, filepath.Base(path))+"`") {
			t.Errorf("docs/architecture.md does not say what %s is", path)
		}
	}
	for _, r := range rules {
		if !strings.Contains(prose, strings.ToLower(r.reason)) {
			t.Errorf("docs/architecture.md does not have the rule: %s", r.reason)
		}
	}
}

// exceptions are names that have a word of a glossary's last column, each with its reason.
var exceptions = map[string]string{
	"QuotaExceeded":                 "S3's name of an error",
	"StatusRequestEntityTooLarge":   "net/http's name of a status",
	"SUBPROCESS_TIMEOUT":            "Thumbor's name of a setting",
	"SUBPROCESS_":                   "likewise",
	"quota":                         "Swift's limit of a container, in a test",
	"X-Container-Meta-Quota-Bytes":  "likewise",
	"master":                        "iproute2's word for a bridge, in a test",
	"SUBPROCESS_TIMEOUT_KILL_AFTER": "likewise",
}

// unwanted are the words of the glossaries, of the cluster and of the code, that are not used,
// each with the word that is.
func unwanted(t *testing.T) map[string]string {
	t.Helper()
	words := map[string]string{}
	for _, page := range []string{"docs/concepts.md", "docs/architecture.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		addUnwanted(words, string(text))
	}
	if len(words) < 10 {
		t.Fatalf("the glossaries rule out only %v", words)
	}
	return words
}

// addUnwanted adds the last columns of a page's tables: word, meaning, not.
func addUnwanted(words map[string]string, page string) {
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 || strings.HasPrefix(cells[0], "---") {
			continue
		}
		for word := range strings.SplitSeq(cells[2], ",") {
			if word = strings.TrimSpace(word); word != "" && word != "not" {
				words[word] = strings.TrimSpace(cells[0])
			}
		}
	}
}

// One thing has one word, in identifiers, and in the texts of the product that name settings,
// metrics and commands.
func TestNamesAreTheGlossarys(t *testing.T) {
	words := unwanted(t)
	check := func(path, name string) {
		for _, part := range wordsOf(name) {
			if use := words[part]; use != "" && exceptions[name] == "" {
				t.Errorf("%s: %q is named by %q, and the glossary's word is %s", path, name, part, use)
			}
		}
	}
	eachFile(t, func(path string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ImportSpec:
				return false
			case *ast.Ident:
				check(path, n.Name)
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && named.MatchString(text) {
					check(path, text)
				}
			}
			return true
		})
	})
}

// named matches what settings, metrics, commands and JSON are called: one word of letters,
// digits and the signs that join them.
var named = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)

// wordsOf cuts an identifier, or another name, into its words in lower case.
func wordsOf(name string) (words []string) {
	spaced := boundary.ReplaceAllString(name, "$1 $2")
	return strings.FieldsFunc(strings.ToLower(spaced), func(r rune) bool { return !unicode.IsLetter(r) })
}

var boundary = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// The docs use the glossary's words too.
func TestDocsAreTheGlossarys(t *testing.T) {
	words := unwanted(t)
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for number, line := range strings.Split(string(text), "\n") {
			for _, word := range wordsOf(line) {
				if use := words[word]; use != "" {
					t.Errorf("%s:%d says %q, and the glossary's word is %s", file, number+1, word, use)
				}
			}
		}
	}
}

// documents are the pages of the docs and of the roles, but for the glossaries and the pages
// that quote other projects.
func documents(t *testing.T) (files []string) {
	t.Helper()
	for _, pattern := range []string{"README.md", "docs/*.md", "edge/*.md", "coordinator/*.md", "renderer/*.md", "loadtest/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	return slices.DeleteFunc(files, func(file string) bool {
		return slices.Contains([]string{"docs/concepts.md", "docs/architecture.md", "docs/comparison.md", "docs/migrate.md"}, file)
	})
}

var sequential = regexp.MustCompile(`(?m)^SEQUENTIAL := (.+)$`)

// Packages that `make test` runs without the race detector start no goroutine.
func TestSequentialPackagesStartNoGoroutine(t *testing.T) {
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	list := sequential.FindSubmatch(text)
	if list == nil {
		t.Fatal("the Makefile has no list SEQUENTIAL")
	}
	unseen := map[string]bool{}
	for folder := range strings.FieldsSeq(string(list[1])) {
		unseen[folder] = true
	}
	all := maps.Clone(unseen)
	eachFile(t, func(path string, file *ast.File) {
		folder := filepath.ToSlash(filepath.Dir(path))
		delete(unseen, folder)
		if all[folder] && startsGoroutine(file) {
			t.Errorf("%s starts a goroutine: take %s from the Makefile's list SEQUENTIAL, so that the race detector sees it", path, folder)
		}
	})
	for folder := range unseen {
		t.Errorf("the Makefile's list SEQUENTIAL names %s, which has no Go files", folder)
	}
}

func TestGoroutinesAreFound(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want bool
	}{
		"a statement":     {"go f()", true},
		"a group":         {"group.Go(f)", true},
		"a parallel test": {"t.Parallel()", true},
		"a timer":         {"time.AfterFunc(1, f)", true},
		"a call":          {"f()", false},
	} {
		t.Run(name, func(t *testing.T) {
			file, err := parser.ParseFile(token.NewFileSet(), "p.go", "package p\nfunc g() { "+c.body+" }", parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			if got := startsGoroutine(file); got != c.want {
				t.Errorf("%q: %v, want %v", c.body, got, c.want)
			}
		})
	}
}

// startsGoroutine reports a go statement, or a call of a method or function that starts one.
func startsGoroutine(file *ast.File) (found bool) {
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = true
		case *ast.SelectorExpr:
			found = found || slices.Contains([]string{"Go", "Parallel", "AfterFunc"}, n.Sel.Name)
		}
		return !found
	})
	return found
}
