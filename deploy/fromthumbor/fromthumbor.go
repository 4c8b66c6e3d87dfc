// Package fromthumbor turns a configuration of Thumbor, Wikimedia's included, into
// thumbmill's settings, and tells what it could not carry over, and why.
//
// Thumbor's configuration is a Python program of assignments. It is parsed as
// Starlark, a dialect of Python, and nothing of it is executed: plain values and a
// little arithmetic are evaluated (evaluate.go), and what is more than that is told.
// Where a file says nothing, Thumbor's own default holds, and is written down where
// thumbmill has another one.
package fromthumbor

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"
	"go.starlark.net/syntax"
)

// maxBytes bounds a configuration, and so how deep its brackets can be.
const maxBytes = 256 << 10

// Left is a line that was not carried over.
type Left struct{ Name, Reason string }

// Conversion is what became of a configuration.
type Conversion struct {
	// Values are settings by their full key, as settings.Load takes them.
	Values map[string]any
	// Left is in the order of the names.
	Left []Left
}

// Convert reads the text of a thumbor.conf. secrets says whether keys and passwords
// are written into the settings. It fails when the text is no Python that can be parsed.
func Convert(text []byte, secrets bool) (Conversion, error) {
	if len(text) > maxBytes {
		return Conversion{}, fmt.Errorf("the configuration is longer than %d bytes", maxBytes)
	}
	assigned, left, err := evaluate(text)
	if err != nil {
		return Conversion{}, err
	}
	c := &converter{Conversion: Conversion{Values: defaults(), Left: left}, assigned: assigned, secrets: secrets}
	for _, name := range slices.Sorted(maps.Keys(assigned)) {
		c.carry(name, assigned[name])
	}
	c.together()
	slices.SortStableFunc(c.Left, func(a, b Left) int { return strings.Compare(a.Name, b.Name) })
	return c.Conversion, nil
}

// defaults are Thumbor's, where thumbmill's are others.
func defaults() map[string]any {
	return map[string]any{
		"edge.allow_unsafe": true, "render.quality": 80, "render.progressive": true,
		"render.respect_orientation": false, "thumbor.rotate": "counterclockwise",
	}
}

// YAML writes the settings, and what was left out as comments.
func (c Conversion) YAML() (string, error) {
	var out strings.Builder
	out.WriteString("# Settings of thumbmill, made from a configuration of Thumbor.\n")
	for _, l := range c.Left {
		fmt.Fprintf(&out, "# not carried over: %s: %s\n", l.Name, strings.ReplaceAll(l.Reason, "\n", " "))
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(c.Values, "."), nil); err != nil {
		return "", err
	}
	text, err := k.Marshal(yaml.Parser())
	out.Write(text)
	return out.String(), err
}

var (
	imports = regexp.MustCompile(`(?m)^(?:import|from)[ \t].*$`)
	setting = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
)

// evaluate gives what is assigned to names in capitals, and what it did not understand.
func evaluate(text []byte) (map[string]any, []Left, error) {
	// An import becomes an empty statement, so that lines keep their numbers.
	file, err := new(syntax.FileOptions).Parse("thumbor.conf", imports.ReplaceAll(text, []byte("pass")), 0)
	if err != nil {
		return nil, nil, err
	}
	known, values := evaluator{map[string]any{}}, map[string]any{}
	var left []Left
	for _, statement := range file.Stmts {
		name, right, reason := assignment(statement)
		if reason != "" {
			left = append(left, Left{name, reason})
		}
		if right == nil {
			continue
		}
		v, err := known.value(right)
		if err != nil {
			left = append(left, Left{name, "its value is computed: " + err.Error()})
			continue
		}
		known.known[name] = v
		if setting.MatchString(name) {
			values[name] = v
		}
	}
	return values, left, nil
}

// assignment gives a statement's name and right side. Sentences that stand alone are
// documentation; all else is not understood.
func assignment(s syntax.Stmt) (name string, right syntax.Expr, reason string) {
	start, _ := s.Span()
	line := fmt.Sprintf("line %d", start.Line)
	switch s := s.(type) {
	case *syntax.AssignStmt:
		if id, ok := s.LHS.(*syntax.Ident); ok && s.Op == syntax.EQ {
			return id.Name, s.RHS, ""
		}
		return line, nil, "only assignments to one name are read"
	case *syntax.ExprStmt:
		if _, ok := s.X.(*syntax.Literal); ok {
			return line, nil, ""
		}
	case *syntax.BranchStmt: // an import was there
		return line, nil, ""
	}
	return line, nil, "only assignments are read, no other statements of Python"
}

// converter is a conversion under way.
type converter struct {
	Conversion
	assigned map[string]any
	secrets  bool
}

func (c *converter) leave(name, format string, args ...any) {
	c.Left = append(c.Left, Left{name, fmt.Sprintf(format, args...)})
}

// carry one assignment over, or say why not.
func (c *converter) carry(name string, v any) {
	if reason, ok := reasons()[name]; ok {
		c.leave(name, "%s", reason)
		return
	}
	rule, ok := rules()[name]
	if !ok {
		if !c.prefixed(name) {
			c.leave(name, "thumbmill has nothing that corresponds to it")
		}
		return
	}
	if rule.secret && !c.secrets {
		c.leave(name, "a secret: set %s, or convert with secrets", rule.key)
		return
	}
	value, reason := rule.read(v)
	if reason != "" {
		c.leave(name, "%s", reason)
		return
	}
	if rule.key != "" && value != nil {
		c.Values[rule.key] = value
	}
}

// prefixed reports families of names that are explained together.
func (c *converter) prefixed(name string) bool {
	for prefix, reason := range families() {
		if strings.HasPrefix(name, prefix) {
			c.leave(name, "%s", reason)
			return true
		}
	}
	return false
}
