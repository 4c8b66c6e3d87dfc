package fromthumbor

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"go.starlark.net/syntax"
)

// null is Python's None.
type null struct{}

// evaluator has the names that are assigned so far, and the lines of the statement. Values are null,
// bool, float64, string, expression, unreadable (in a list), []any and map[string]any.
type evaluator struct {
	known map[string]any
	used  map[string]bool // names that other lines read
	lines []string
}

// fromEnvironment says that a value comes from an environment variable.
type fromEnvironment struct{ variable, otherwise string }

func (f fromEnvironment) Error() string {
	if f.otherwise == "" {
		return "it comes from the environment variable " + f.variable
	}
	return "it comes from the environment variable " + f.variable + ", without it " + f.otherwise
}

// unreadable is an item of a list without a plain value. It says why.
type unreadable string

// expression is a compiled regular expression: re.compile(…).
type expression string

// value evaluates literals, lists, dictionaries, names, and simple arithmetic. It returns an error
// for other expressions.
func (e evaluator) value(x syntax.Expr) (any, error) {
	switch x := x.(type) {
	case *syntax.Literal:
		return literal(x)
	case *syntax.Ident:
		return e.named(x.Name)
	case *syntax.ParenExpr:
		return e.value(x.X)
	case *syntax.ListExpr:
		return e.list(x.List)
	case *syntax.TupleExpr:
		return e.list(x.List)
	case *syntax.DictExpr:
		return e.dictionary(x.List)
	case *syntax.UnaryExpr:
		if n, err := e.number(x.X); err == nil && x.Op == syntax.MINUS {
			return -n, nil
		}
	case *syntax.BinaryExpr:
		return e.binary(x)
	case *syntax.CallExpr:
		return e.call(x)
	case *syntax.IndexExpr:
		if e.source(x.X) == "os.environ" {
			return nil, fromEnvironment{variable: e.source(x.Y)}
		}
	case *syntax.CondExpr:
		return nil, fmt.Errorf("it is %s if %s, otherwise %s", e.source(x.True), e.source(x.Cond), e.source(x.False))
	}
	return nil, fmt.Errorf("%s is not a plain value", abbreviated(e.source(x)))
}

// call evaluates the functions that configurations use: re.compile and os.path.join. It returns an error
// for others.
func (e evaluator) call(x *syntax.CallExpr) (any, error) {
	switch called := e.source(x.Fn); called {
	case "re.compile":
		if len(x.Args) == 1 {
			if v, err := e.value(x.Args[0]); err == nil {
				if s, ok := v.(string); ok {
					return expression(s), nil
				}
			}
		}
	case "os.path.join", "path.join", "join":
		if parts, err := e.texts(x.Args); err == nil && len(parts) > 0 {
			return joined(parts), nil
		}
	case "os.environ.get", "os.getenv", "environ.get", "getenv":
		if len(x.Args) == 1 {
			return nil, fromEnvironment{variable: e.source(x.Args[0])}
		}
		if len(x.Args) == 2 {
			return nil, fromEnvironment{e.source(x.Args[0]), e.source(x.Args[1])}
		}
	case "int", "float", "str", "bool":
		if len(x.Args) == 1 {
			if _, err := e.value(x.Args[0]); err != nil {
				return nil, err
			}
		}
	}
	return nil, fmt.Errorf("%s is not a plain value", abbreviated(e.source(x)))
}

// joined joins paths as Python does: an absolute path drops those before it.
func joined(parts []string) string {
	whole := parts[0]
	for _, part := range parts[1:] {
		if path.IsAbs(part) {
			whole = part
			continue
		}
		whole = strings.TrimSuffix(whole, "/") + "/" + part
	}
	return whole
}

func (e evaluator) texts(args []syntax.Expr) (all []string, err error) {
	for _, arg := range args {
		v, err := e.value(arg)
		s, ok := v.(string)
		if err != nil || !ok {
			return nil, errors.New("an argument is not a text")
		}
		all = append(all, s)
	}
	return all, nil
}

func literal(x *syntax.Literal) (any, error) {
	switch v := x.Value.(type) {
	case string:
		return v, nil
	case int64:
		return float64(v), nil
	case float64:
		return v, nil
	}
	return nil, errors.New("it is not a supported number or text")
}

func (e evaluator) named(name string) (any, error) {
	switch name {
	case "None":
		return null{}, nil
	case "True", "False":
		return name == "True", nil
	}
	if v, ok := e.known[name]; ok {
		e.used[name] = true
		return v, nil
	}
	return nil, fmt.Errorf("the value of %s is not known", name)
}

// list evaluates the items that it can. The others become unreadable.
func (e evaluator) list(items []syntax.Expr) (any, error) {
	all := []any{}
	for _, item := range items {
		v, err := e.value(item)
		if err != nil {
			v = unreadable(err.Error())
		}
		all = append(all, v)
	}
	return all, nil
}

func (e evaluator) dictionary(entries []syntax.Expr) (any, error) {
	all := map[string]any{}
	for _, entry := range entries {
		pair, ok := entry.(*syntax.DictEntry)
		if !ok {
			return nil, errors.New("an entry is not a key with a value")
		}
		key, err := e.value(pair.Key)
		if err != nil {
			return nil, err
		}
		v, err := e.value(pair.Value)
		if err != nil {
			return nil, err
		}
		all[fmt.Sprint(key)] = v
	}
	return all, nil
}

func (e evaluator) number(x syntax.Expr) (float64, error) {
	v, err := e.value(x)
	if err != nil {
		return 0, err
	}
	n, ok := v.(float64)
	if !ok {
		return 0, errors.New("an operand is not a number")
	}
	return n, nil
}

// binary joins texts and lists, and computes with numbers.
func (e evaluator) binary(x *syntax.BinaryExpr) (any, error) {
	if x.Op == syntax.PLUS {
		left, errLeft := e.value(x.X)
		right, errRight := e.value(x.Y)
		if err := errors.Join(errLeft, errRight); err != nil {
			return nil, err
		}
		switch l := left.(type) {
		case string:
			if r, ok := right.(string); ok {
				return l + r, nil
			}
		case []any:
			if r, ok := right.([]any); ok {
				return append(l[:len(l):len(l)], r...), nil
			}
		}
	}
	left, errLeft := e.number(x.X)
	right, errRight := e.number(x.Y)
	if err := errors.Join(errLeft, errRight); err != nil {
		return nil, err
	}
	switch x.Op {
	case syntax.PLUS:
		return left + right, nil
	case syntax.MINUS:
		return left - right, nil
	case syntax.STAR:
		return left * right, nil
	case syntax.SLASH:
		return left / right, nil
	}
	return nil, errors.New("its operator is not supported")
}
