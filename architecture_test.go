package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
		command := strings.Contains(from, "/cmd/") || strings.HasSuffix(from, "/commands")
		return command && strings.Contains(to, "/internal/") || inside && to == module+place(from)
	}},
	{"one package alone brings several roles together: deploy/serve", func(from, to string) bool {
		product := place(from) != "loadtest" && !role(place(from))
		return product && role(strings.TrimPrefix(to, module)) && from != module+"deploy/serve"
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
