package fromthumbor

import (
	"errors"
	"fmt"

	"go.starlark.net/syntax"
)

// null is Python's None.
type null struct{}

// evaluator has the names that are assigned so far. Values are null, bool, float64, string, []any
// and map[string]any.
type evaluator struct{ known map[string]any }

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
	}
	return nil, errors.New("it is not a plain value")
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
		return v, nil
	}
	return nil, fmt.Errorf("%s is not assigned before", name)
}

func (e evaluator) list(items []syntax.Expr) (any, error) {
	all := []any{}
	for _, item := range items {
		v, err := e.value(item)
		if err != nil {
			return nil, err
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
