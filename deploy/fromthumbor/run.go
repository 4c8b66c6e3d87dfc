package fromthumbor

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/syntax"
)

var (
	imports  = regexp.MustCompile(`^(?:import|from)[ \t][^;]*$`)
	assigned = regexp.MustCompile(`^([A-Z][A-Z0-9_]*)\s*(?::[^=]*)?=[^=]`)
	setting  = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	named    = regexp.MustCompile(`[A-Z][A-Z0-9_]{2,}`)
	// python matches the statements of Python whose form the parser does not know.
	python = regexp.MustCompile(`^(?:@|(?:import|from|try|with|class|def|async|del|global|raise|assert|print|for|while|if|exec)\b)|^[\w.\[\]'" ,]+(?::[^=]+)?[-+*/%|&^]?=|^[\w.]+\(`)
)

// unread is the value of a name in a statement that evaluate could not read.
type unread struct{}

// evaluate returns the values of names in capitals, and the statements that it could not read. It
// returns an error if a statement is not Python.
func evaluate(text string) (map[string]any, []Left, error) {
	known, values := evaluator{known: map[string]any{}, used: map[string]bool{}}, map[string]any{}
	var left []Left
	for _, s := range statements(text) {
		known.lines = strings.Split(s.text, "\n")
		if s.parsed == nil && !python.MatchString(strings.TrimSpace(s.text)) {
			return nil, nil, fmt.Errorf("line %d is not Python: %s", s.line, s.start())
		}
		if branches, ok := s.parsed.(*syntax.IfStmt); ok {
			left = append(left, known.conditional(branches, values)...)
			continue
		}
		name, v, reason := known.run(s)
		switch {
		case reason != "":
			left = append(left, Left{Name: name, Reason: reason})
			for _, mentioned := range named.FindAllString(s.text, -1) { // the statement may have changed the value
				values[mentioned] = unread{}
				delete(known.known, mentioned)
			}
		case name != "":
			known.known[name] = v
			if setting.MatchString(name) {
				values[name] = v
			}
		}
	}
	for name := range known.used { // a name for other lines is no option
		if _, option := standard(name); !option && rules()[name].read == nil {
			delete(values, name)
		}
	}
	return values, left, nil
}

// run evaluates one statement. It returns a name and its value, or a reason to leave the statement.
func (e evaluator) run(s statement) (name string, v any, reason string) {
	place := fmt.Sprintf("line %d", s.line)
	if s.parsed == nil {
		if found := assigned.FindStringSubmatch(s.text); found != nil {
			return found[1], nil, e.hidden(found[1], errors.New(s.start())) + meant(found[1])
		}
		return place, nil, "this is not an assignment of a plain value: " + s.start()
	}
	switch parsed := s.parsed.(type) {
	case *syntax.AssignStmt:
		id, ok := parsed.LHS.(*syntax.Ident)
		if !ok || parsed.Op != syntax.EQ {
			return place, nil, "only assignments to one name can be read: " + s.start()
		}
		v, err := e.value(parsed.RHS)
		if err != nil {
			return id.Name, nil, e.hidden(id.Name, err) + meant(id.Name)
		}
		return id.Name, v, ""
	case *syntax.ExprStmt:
		if _, ok := parsed.X.(*syntax.Literal); ok {
			return "", nil, "" // documentation
		}
	}
	return place, nil, "this is not an assignment of a plain value: " + s.start()
}

// hidden returns the reason against a value, without the parts of a secret.
func (e evaluator) hidden(name string, err error) string {
	if env := (fromEnvironment{}); errors.As(err, &env) && secret(name) {
		return fromEnvironment{variable: env.variable}.Error()
	}
	if secret(name) {
		return "its value cannot be read"
	}
	return "its value cannot be read: " + err.Error()
}

// conditional reports every name that a conditional statement assigns, with the value of each branch,
// and makes the name's value unknown.
func (e evaluator) conditional(s *syntax.IfStmt, values map[string]any) (left []Left) {
	branches := map[string][]string{}
	for _, a := range e.assignments(s, "") {
		branches[a.name] = append(branches[a.name], a.value)
	}
	for name, all := range branches {
		if before, ok := values[name]; ok && before != (unread{}) {
			all = append(all, fmt.Sprintf("otherwise %v", before))
		}
		said := strings.Join(all, ", ")
		if secret(name) {
			said = "its value is a secret"
		}
		values[name] = unread{}
		delete(e.known, name) // other lines cannot read it either
		left = append(left, Left{Name: name, Reason: "it depends on a condition: " + said + meant(name)})
	}
	slices.SortFunc(left, func(a, b Left) int { return strings.Compare(a.Name, b.Name) })
	return left
}

type branch struct{ name, value string }

// assignments returns the assignments in all branches, each with its condition.
func (e evaluator) assignments(s *syntax.IfStmt, before string) (all []branch) {
	condition := e.source(s.Cond)
	syntax.Walk(s.Cond, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok {
			e.used[id.Name] = true
		}
		return true
	})
	in := func(stmts []syntax.Stmt, when string) {
		for _, stmt := range stmts {
			switch stmt := stmt.(type) {
			case *syntax.AssignStmt:
				if id, ok := stmt.LHS.(*syntax.Ident); ok {
					all = append(all, branch{id.Name, e.source(stmt.RHS) + when})
				}
			case *syntax.IfStmt:
				all = append(all, e.assignments(stmt, when)...)
			}
		}
	}
	in(s.True, before+" if "+condition)
	in(s.False, before+" if not "+condition)
	return all
}

// source returns the text of an expression of the statement.
func (e evaluator) source(x syntax.Expr) string {
	from, to := x.Span()
	if from.Line != to.Line || int(from.Line) > len(e.lines) {
		return "…"
	}
	line := []rune(e.lines[from.Line-1])
	return string(line[min(int(from.Col)-1, len(line)):min(int(to.Col)-1, len(line))])
}

// secret reports whether a name has a key or a password, whose value no reason shows.
func secret(name string) bool {
	return rules()[name].secret || strings.HasSuffix(name, "_S3_SECRET_ACCESS_KEY") || strings.HasSuffix(name, "_S3_ACCESS_KEY_ID") ||
		strings.HasSuffix(name, "PASSWORD") || strings.HasSuffix(name, "KEY_SECRET") || strings.HasSuffix(name, "_DSN_URL")
}

// meant returns a hint with the setting for a name, or "".
func meant(name string) string {
	if rule, ok := rules()[name]; ok && rule.key != "" {
		return "; set " + rule.key
	}
	return ""
}
