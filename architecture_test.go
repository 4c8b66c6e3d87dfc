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
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
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
	{"roles run on different machines: what two of them need is in shared", func(from, to string) bool {
		return role(place(from)) && role(place(to)) && place(from) != place(to)
	}},
	{"shared is what roles stand on: it knows none of them", func(from, to string) bool {
		return place(from) == "shared" && role(place(to))
	}},
	{"a role's insides are reached through the role, so that its Config is all there is to set", func(from, to string) bool {
		inside := strings.Contains(from, "/internal/")
		return strings.Contains(from, "/cmd/") && strings.Contains(to, "/internal/") || inside && to == module+place(from)
	}},
	{"decoders never run in a process that talks to the network: only workers import the engine", func(from, to string) bool {
		return to == module+"renderer/internal/vips" && from != module+"renderer/internal/worker"
	}},
	{"tests and their fixtures are not part of the product", func(from, to string) bool {
		return place(to) == "loadtest" && place(from) != "loadtest"
	}},
	{"the load tool stands without tests: it imports neither fixtures nor suites", func(from, to string) bool {
		return house(from) == "tool" && (house(to) == "fixtures" || house(to) == "suites")
	}},
	{"fixtures stand below the suites that use them", func(from, to string) bool {
		return house(from) == "fixtures" && house(to) == "suites"
	}},
	{"the lock table does no I/O, so that it can be tested without", func(from, to string) bool {
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
		if !strings.Contains(page, strings.ToLower(r.reason)) {
			t.Errorf("docs/architecture.md does not have the rule: %s", r.reason)
		}
	}
}
