package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"go/types"
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

// pkg holds the fields of a package from go list.
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

// place returns a package's top folder: edge, coordinator, renderer, shared, loadtest, deploy, or "" for the root.
func place(importPath string) string {
	rest, ours := strings.CutPrefix(importPath, module)
	if !ours {
		return ""
	}
	top, _, _ := strings.Cut(rest, "/")
	return top
}

// rules are the imports that are forbidden, each with its reason.
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
	{"commands use the internals of a role only through the role's package, so that the role's Config holds every setting", func(from, to string) bool {
		inside := strings.Contains(from, "/internal/")
		command := strings.Contains(from, "/cmd/") || strings.HasSuffix(from, "/commands")
		return command && strings.Contains(to, "/internal/") || inside && to == module+place(from)
	}},
	{"only deploy/serve brings several roles together", func(from, to string) bool {
		product := place(from) != "loadtest" && !role(place(from))
		return product && role(strings.TrimPrefix(to, module)) && from != module+"deploy/serve"
	}},
	{"decoders never run in a process that talks to the network: only renderer/internal/worker imports renderer/internal/vips", func(from, to string) bool {
		return to == module+"renderer/internal/vips" && from != module+"renderer/internal/worker"
	}},
	{"the product imports neither tests nor their fixtures", func(from, to string) bool {
		return place(to) == "loadtest" && place(from) != "loadtest"
	}},
	{"the load tool does not depend on tests: it imports neither fixtures nor suites", func(from, to string) bool {
		return house(from) == "tool" && (house(to) == "fixtures" || house(to) == "suites")
	}},
	{"suites use fixtures, and fixtures never use suites", func(from, to string) bool {
		return house(from) == "fixtures" && house(to) == "suites"
	}},
	{"the lock table does no I/O, so that its tests need none", func(from, to string) bool {
		return from == module+"coordinator/internal/pools" && (to == "net" || to == "os" || to == "log/slog")
	}},
}

// house returns the part of loadtest that holds a package: tool, fixtures, suites or cmd, or "" outside loadtest.
func house(importPath string) string {
	rest, inside := strings.CutPrefix(importPath, module+"loadtest/")
	if !inside {
		return ""
	}
	house, _, _ := strings.Cut(rest, "/")
	return house
}

func role(top string) bool { return top == "edge" || top == "coordinator" || top == "renderer" }

// The root holds the command, and the test of the structure. All other code has a folder that says which part it
// belongs to.
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

func TestEachPackageHasAComment(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" && len(p.GoFiles)+len(p.CgoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
		for _, vague := range []string{"util", "utils", "common", "types", "helpers", "misc"} {
			if filepath.Base(p.ImportPath) == vague {
				t.Errorf("%s has a vague name: name the package for the thing that it does", p.ImportPath)
			}
		}
	}
}

// A package of shared needs two roles, or another package of shared, that import it. Otherwise it belongs to its only
// role.
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
			t.Errorf("%s is imported from %v alone: move it there", to, by)
		}
	}
	if files, _ := filepath.Glob("shared/*.go"); len(files) > 0 {
		t.Errorf("shared has Go files outside a package: move %v into a folder", files)
	}
}

// Package queue checks that a message was meant for its subscription. Other subscriptions lack this check.
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
				t.Errorf("%s calls %s: call queue.Subscribe instead", path, call.Sel.Name)
			}
			return true
		})
	})
}

// A field whose type is otter's own makes every package that sees its struct compile about a
// thousand functions again. A field is a cache.Cache.
func TestFieldsHideTheCachesGenerics(t *testing.T) {
	eachFile(t, func(path string, file *ast.File) {
		ast.Inspect(file, func(n ast.Node) bool {
			field, isField := n.(*ast.Field)
			if isField && strings.Contains(types.ExprString(field.Type), "otter.Cache") {
				t.Errorf("%s has a field or parameter of type %s: make it a cache.Cache", path, types.ExprString(field.Type))
			}
			return true
		})
	})
}

// mostSleeps bounds the sleeps outside synctest in all tests of the module: renders that take a time, loads, and the times in
// which a benchmark measures a process at rest.
const mostSleeps = 22

// A test waits for a condition, with a bound (loadtest/fixtures/eventually), or runs in synctest's time. Each
// remaining sleep has its reason beside it: a comment on its line or on the line before.
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
				t.Errorf("%s sleeps without a reason: add a comment on this line or on the line before", where)
			}
		}
	})
	if len(all) > mostSleeps {
		t.Errorf("tests sleep %d times, at most %d are allowed: wait for a condition instead\n%s", len(all), mostSleeps, strings.Join(all, "\n"))
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
		t.Errorf("sleeps found %d of 5 sleeps", n)
	}
}

// sleeps returns the places where a file sleeps outside synctest: time.Sleep, periodic.Sleep, and a receive from
// time.After outside a select's cases.
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
			if helper, ok := n.Fun.(*ast.Ident); calls(n, "synctest", "Test") || ok && helper.Name == "in" { // in calls synctest.Test
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

// calls reports whether an expression calls a package's function.
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

// embeds lists the structs that embed a type, each with its reason: the embedded type supplies most methods of an
// interface.
var embeds = map[string]string{
	"coordinator/internal/gate: begun":          "a net.Conn whose first bytes were read already",
	"coordinator/internal/gate: local":          "a net.Conn with another address, in a test",
	"coordinator/internal/pools: bill":          "a pools.Observer of processor time, in a test",
	"edge/internal/bulk: closer":                "an objectstore.Object that notes its end, in a test",
	"edge/internal/front: limited":              "a net.Listener that bounds its connections",
	"edge/internal/front: gathering":            "a net.Conn that sends head and body at once; io.Copy finds the TCP connection's ReadFrom",
	"coordinator/internal/pools: work":          "an Observer, in a test",
	"edge/internal/obtain: object":              "an objectstore.Object, in a test",
	"edge/internal/originals: late":             "an objectstore.Store that answers late, in a test",
	"edge/internal/stored: slow":                "an objectstore.Store that waits, in a test",
	"edge/internal/trial: patient":              "an http.ResponseWriter that notes its deadline, in a test",
	"loadtest/fixtures/eventually: noted":       "a testing.TB that notes its failure, in a test",
	"loadtest/fixtures/wire: in Truncate":       "an io.ReadCloser with half of a body, in a test",
	"loadtest/suites/capacity: content":         "an objectstore.Object, in a test",
	"loadtest/suites/cluster: hooked":           "an objectstore.Store that tests reach into",
	"renderer/internal/engine: lacking":         "engine.Workers without a program, in a test",
	"renderer/internal/pipeline: originals":     "an objectstore.Store that notes questions, in a test",
	"renderer/internal/source: in copyTo":       "an io.Writer and an io.Reader alone: io.CopyBuffer finds no way past its buffer",
	"renderer/internal/source: store":           "an objectstore.Store that breaks off, in a test",
	"renderer/internal/source: slowHost":        "an objectstore.Store with a host that sends nothing, in a test",
	"shared/logging: traced":                    "a slog.Handler that adds the trace",
	"shared/objectstore/byprefix: named":        "an objectstore.Store that notes what it is asked for, in a test",
	"shared/objectstore/directory: section":     "an objectstore.Object that is a part of a file",
	"shared/objectstore/directory: whole":       "an objectstore.Plain, which is all of a file",
	"shared/objectstore/open: unverified":       "an objectstore.Store that tells no MD5",
	"shared/objectstore/open: telling":          "an objectstore.Store that tells an MD5, in a test",
	"edge/internal/coordinators: paused":        "a net.Conn whose process stands still, in a test",
	"shared/objectstore/httpstore: counting":    "a net.Listener that counts, in a test",
	"shared/objectstore/pace: dripping":         "an objectstore.Store whose objects come slowly, in a test",
	"shared/objectstore/pace: keeping":          "an objectstore.Store whose objects must keep a rate",
	"shared/objectstore/pace: paced":            "an objectstore.Object that is read through a Body",
	"shared/objectstore/swiftstore: idempotent": "an http.RoundTripper; ncw/swift finds the transport's other methods by type assertion",
	"shared/objectstore/swiftstore: closing":    "an objectstore.Object that ends its request",
	"shared/objectstore: Whole":                 "an objectstore.Object in memory",
}

// A line shows which data it touches: structs name their fields. They embed a type only to satisfy an interface.
func TestStructsEmbedForAnInterfaceAlone(t *testing.T) {
	found := map[string]bool{}
	eachFile(t, func(path string, file *ast.File) {
		for _, name := range embedding(file) {
			found[filepath.ToSlash(filepath.Dir(path))+": "+name] = true
		}
	})
	for name := range found {
		if embeds[name] == "" {
			t.Errorf("%s embeds a type: name the field, or add the struct to embeds with the interface that it satisfies", name)
		}
	}
	for name := range embeds {
		if !found[name] {
			t.Errorf("%s embeds nothing: remove it from embeds", name)
		}
	}
}

// embedding returns the names of the structs of a file that embed a type. A struct without a name is called
// "in" and the function, variable or type around it.
func embedding(file *ast.File) (names []string) {
	named := map[ast.Expr]string{}
	for _, d := range file.Decls {
		around := ""
		ast.Inspect(d, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				around = n.Name.Name
			case *ast.ValueSpec:
				around = cmp.Or(around, n.Names[0].Name)
			case *ast.TypeSpec:
				named[n.Type] = n.Name.Name
				around = cmp.Or(around, n.Name.Name)
			case *ast.StructType:
				if embedsSomething(n) {
					names = append(names, cmp.Or(named[n], "in "+around))
				}
			}
			return true
		})
	}
	return names
}

func TestEmbeddingIsFound(t *testing.T) {
	const text = `package p
type a struct { io.Reader }
type b struct { r io.Reader }
func f() {
	type c struct { *a }
	for range []struct { a; n int }{} {}
}
type d struct { in struct { a } }`
	file, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if got := embedding(file); !slices.Equal(got, []string{"a", "c", "in f", "in d"}) {
		t.Errorf("embedding finds %q", got)
	}
}

func embedsSomething(s *ast.StructType) bool {
	return slices.ContainsFunc(s.Fields.List, func(f *ast.Field) bool { return len(f.Names) == 0 })
}

// Bounds of functions, in lines. They count the signature and the closing brace.
const (
	longestFunction = 60
	longestTest     = 100 // of tests: a table of cases is long, and reads well
	mostFunctions   = 25  // nine in ten functions of the product have at most so many lines
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
			most := longestTest
			if !strings.HasSuffix(path, "_test.go") {
				lengths, most = append(lengths, lines), longestFunction
			}
			if lines > most {
				t.Errorf("%s: %s has %d lines, at most %d are allowed: split it", path, f.Name.Name, lines, most)
			}
		}
	})
	slices.Sort(lengths)
	if ninth := lengths[len(lengths)*9/10]; ninth > mostFunctions {
		t.Errorf("nine in ten functions have up to %d lines, %d are allowed: split the long ones", ninth, mostFunctions)
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
			t.Errorf("docs/architecture.md lacks the rule: %s", r.reason)
		}
	}
}

// exceptions are names that contain a forbidden word of a glossary, each with its reason.
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

// unwanted returns the forbidden words of the two glossaries (cluster and code), each with the word to use instead.
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
		t.Fatalf("the glossaries forbid only %v: this test no longer reads their tables", words)
	}
	return words
}

// addUnwanted reads the last column of a page's tables with the columns word, meaning, not.
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

// A thing has one word: in identifiers, and in the product's names of settings, metrics and commands.
func TestNamesUseTheGlossary(t *testing.T) {
	words := unwanted(t)
	check := func(path, name string) {
		for _, part := range wordsOf(name) {
			if use := words[part]; use != "" && exceptions[name] == "" {
				t.Errorf("%s: %q contains %q: the glossary's word is %s", path, name, part, use)
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

// named matches the names of settings, metrics, commands and JSON fields: one word of letters, digits and joining
// signs.
var named = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)

// wordsOf splits a name into its words in lower case.
func wordsOf(name string) (words []string) {
	spaced := boundary.ReplaceAllString(name, "$1 $2")
	return strings.FieldsFunc(strings.ToLower(spaced), func(r rune) bool { return !unicode.IsLetter(r) })
}

var boundary = regexp.MustCompile(`([a-z0-9])([A-Z])`)

// kept has words that belong to one thing, each with the folders that may use it in names.
var kept = map[string][]string{
	"withdraw": {"shared/directive", "shared/operators", "coordinator", "edge/internal/directives", "loadtest/suites"}, // directives
}

// Some words belong to one thing, and its code alone uses them.
func TestSomeWordsBelongToOneThing(t *testing.T) {
	eachFile(t, func(path string, file *ast.File) {
		path = filepath.ToSlash(path)
		ast.Inspect(file, func(n ast.Node) bool {
			name, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			for word, folders := range kept {
				inside := slices.ContainsFunc(folders, func(folder string) bool { return strings.HasPrefix(path, folder+"/") })
				if !inside && strings.Contains(strings.ToLower(name.Name), word) {
					t.Errorf("%s: %q contains %q, a word of %v: see the glossary in docs/architecture.md", path, name.Name, word, folders)
				}
			}
			return true
		})
	})
}

// The docs use the glossary's words.
func TestDocsUseTheGlossary(t *testing.T) {
	words := unwanted(t)
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for number, line := range strings.Split(string(text), "\n") {
			for _, word := range wordsOf(line) {
				if use := words[word]; use != "" {
					t.Errorf("%s:%d says %q: the glossary's word is %s", file, number+1, word, use)
				}
			}
		}
	}
}

// documents returns the pages of the docs and of the roles, without the glossaries and the pages that quote other
// projects.
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

// listed returns the folders of the Makefile's lists with these names.
func listed(t *testing.T, names ...string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]bool{}
	for _, name := range names {
		_, rest, found := strings.Cut(string(text), "\n"+name+" :=")
		list, _, _ := strings.Cut(rest, "\n")
		if !found {
			t.Fatalf("the Makefile has no list %s", name)
		}
		for folder := range strings.FieldsSeq(list) {
			all[folder] = true
		}
	}
	return all
}

// A test that the race detector leaves out must run without it: `make test` runs few packages so.
func TestNoTestIsLeftOut(t *testing.T) {
	plain := listed(t, "TWICE", "DRAWING", "RUNNING", "SEQUENTIAL", "APART")
	race := build.Default
	race.BuildTags = append(slices.Clone(race.BuildTags), "race")
	eachFile(t, func(path string, _ *ast.File) {
		folder, file := filepath.Split(path)
		with, err := race.MatchFile(folder, file)
		without, otherErr := build.Default.MatchFile(folder, file)
		if err := errors.Join(err, otherErr); err != nil {
			t.Error(err)
		}
		if folder = filepath.ToSlash(filepath.Clean(folder)); without && !with && !plain[folder] {
			t.Errorf("%s is for runs without the race detector: add %s to the Makefile's list TWICE", path, folder)
		}
	})
}

// `make test-sanitize` tests all packages with C code.
func TestCodeInCIsSanitized(t *testing.T) {
	sanitized := listed(t, "SANITIZED")
	eachFile(t, func(path string, file *ast.File) {
		folder := filepath.ToSlash(filepath.Dir(path))
		for _, imported := range file.Imports {
			if imported.Path.Value == `"C"` && !sanitized[folder] {
				t.Errorf("%s has code in C: add %s to the Makefile's list SANITIZED", path, folder)
			}
		}
	})
}

// `make test` runs the packages of SEQUENTIAL without the race detector, so they must start no goroutine.
func TestSequentialPackagesStartNoGoroutine(t *testing.T) {
	unseen := listed(t, "SEQUENTIAL")
	all := maps.Clone(unseen)
	eachFile(t, func(path string, file *ast.File) {
		folder := filepath.ToSlash(filepath.Dir(path))
		delete(unseen, folder)
		if all[folder] && startsGoroutine(file) {
			t.Errorf("%s starts a goroutine: remove %s from the Makefile's list SEQUENTIAL, so that the race detector checks it", path, folder)
		}
	})
	for folder := range unseen {
		t.Errorf("the Makefile's list SEQUENTIAL names %s, a folder without Go files", folder)
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

// startsGoroutine reports whether a file has a go statement, or calls a function that starts a goroutine.
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
