package fault_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// setting matches the name of a setting, such as edge.security_key, and the words of operators.
var setting = regexp.MustCompile(`\b(coordinator|edge|mediawiki|memcached|nats|render|renderer|store|throttle)\.[a-z]+_?[a-z_]*\b|\blanes?\b|\bcoordinators?\b`)

// Visitors cannot change settings: the sentences of faults name none, and remedies do.
func TestSentencesForVisitorsNameNoSetting(t *testing.T) {
	calls := 0
	for _, root := range []string{"../../edge", "../../renderer", "../../shared"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(file, func(n ast.Node) bool {
				for _, sentence := range sentences(n) {
					calls++
					if found := setting.FindString(sentence); found != "" {
						t.Errorf("%s: visitors read %q, in %s: put it into Remedied", path, found, sentence)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if calls < 100 {
		t.Errorf("only %d sentences were found", calls)
	}
}

// sentences returns the texts of a call of New or Wrap.
func sentences(n ast.Node) (all []string) {
	call, is := n.(*ast.CallExpr)
	if !is {
		return nil
	}
	called, is := call.Fun.(*ast.SelectorExpr)
	if !is || called.Sel.Name != "New" && called.Sel.Name != "Wrap" {
		return nil
	}
	if from, is := called.X.(*ast.Ident); !is || from.Name != "fault" {
		return nil
	}
	for _, argument := range call.Args {
		if text, is := argument.(*ast.BasicLit); is && text.Kind == token.STRING {
			all = append(all, text.Value)
		}
	}
	return all
}
