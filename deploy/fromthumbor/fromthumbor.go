// Package fromthumbor turns a configuration of Thumbor, Wikimedia's included, into
// thumbmill's settings, and tells what it could not carry over, and why.
//
// Thumbor's configuration is a Python program of assignments. It is parsed as
// Starlark, a dialect of Python, and nothing of it is executed: plain values and a
// little arithmetic are evaluated (evaluate.go), and what is more than that is told.
// Where a file says nothing, Thumbor's own default holds, and is written down where it
// makes another picture than thumbmill's, or lets other people in.
package fromthumbor

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

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
// are written into the settings. It fails when the text is no text.
func Convert(text []byte, secrets bool) (Conversion, error) {
	if len(text) > maxBytes {
		return Conversion{}, fmt.Errorf("the configuration is longer than %d bytes", maxBytes)
	}
	if !utf8.Valid(text) {
		return Conversion{}, errors.New("the configuration is not UTF-8")
	}
	assigned, left := evaluate(strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n"))
	c := &converter{conversion: Conversion{Values: defaults(), Left: left}, assigned: assigned, secrets: secrets}
	for _, name := range slices.Sorted(maps.Keys(assigned)) {
		c.carry(name, assigned[name])
	}
	c.together()
	slices.SortStableFunc(c.conversion.Left, func(a, b Left) int { return strings.Compare(a.Name, b.Name) })
	return c.conversion, nil
}

// defaults are Thumbor's, where thumbmill's are others.
func defaults() map[string]any {
	return map[string]any{
		"edge.allow_unsafe": true, "edge.cors": []string{}, "render.quality": 80, "render.progressive": true,
		"render.respect_orientation": false, "thumbor.rotate": "counterclockwise",
	}
}

// YAML writes the settings, and what was left out as comments.
func (c Conversion) YAML() (string, error) {
	var out strings.Builder
	out.WriteString("# Settings of thumbmill, made from a configuration of Thumbor.\n")
	for _, l := range c.Left {
		fmt.Fprintf(&out, "# not carried over: %s: %s\n", printable(l.Name), printable(l.Reason))
	}
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(c.Values, "."), nil); err != nil {
		return "", err
	}
	text, err := k.Marshal(yaml.Parser())
	out.Write(text)
	return out.String(), err
}

// printable keeps a file's text within one comment.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}

var (
	imports  = regexp.MustCompile(`^(?:import|from)[ \t][^;]*$`)
	assigned = regexp.MustCompile(`^([A-Z][A-Z0-9_]*)\s*(?::[^=]*)?=[^=]`)
	setting  = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	named    = regexp.MustCompile(`[A-Z][A-Z0-9_]{2,}`)
)

// evaluate gives what is assigned to names in capitals, and what it did not understand.
func evaluate(text string) (map[string]any, []Left) {
	known, values := evaluator{map[string]any{}}, map[string]any{}
	var left []Left
	for _, s := range statements(text) {
		name, v, reason := known.run(s)
		if reason != "" {
			left = append(left, Left{name, reason})
			for _, mentioned := range named.FindAllString(s.text, -1) {
				delete(values, mentioned) // whatever it was before, nobody knows what it is now
				values[mentioned] = unread{}
			}
			continue
		}
		if name == "" {
			continue
		}
		known.known[name] = v
		if setting.MatchString(name) {
			values[name] = v
		}
	}
	return values, left
}

// unread is the value of a name that a statement which was not understood speaks of.
type unread struct{}

// run one statement. A name without a reason was assigned the value.
func (e evaluator) run(s statement) (name string, v any, reason string) {
	place := fmt.Sprintf("line %d", s.line)
	if s.parsed == nil {
		if found := assigned.FindStringSubmatch(s.text); found != nil {
			return found[1], nil, "its value is not read: " + s.start() + meant(found[1])
		}
		return place, nil, "this is no assignment that is read: " + s.start()
	}
	switch parsed := s.parsed.(type) {
	case *syntax.AssignStmt:
		id, ok := parsed.LHS.(*syntax.Ident)
		if !ok || parsed.Op != syntax.EQ {
			return place, nil, "only assignments to one name are read: " + s.start()
		}
		v, err := e.value(parsed.RHS)
		if err != nil {
			return id.Name, nil, "its value is computed (" + err.Error() + ")" + meant(id.Name)
		}
		return id.Name, v, ""
	case *syntax.ExprStmt:
		if _, ok := parsed.X.(*syntax.Literal); ok {
			return "", nil, "" // documentation
		}
	}
	return place, nil, "this is no assignment that is read: " + s.start()
}

// meant names the setting that somebody has to set by hand.
func meant(name string) string {
	if rule, ok := rules()[name]; ok && rule.key != "" {
		return "; set " + rule.key
	}
	return ""
}

// converter is a conversion under way.
type converter struct {
	conversion Conversion
	assigned   map[string]any
	secrets    bool
}

func (c *converter) leave(name, format string, args ...any) {
	c.conversion.Left = append(c.conversion.Left, Left{name, fmt.Sprintf(format, args...)})
}

// carry one assignment over, or say why not.
func (c *converter) carry(name string, v any) {
	if v == (unread{}) {
		c.unread(name)
		return
	}
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
	if reason != "" { // which may be that a part of it was left out
		c.leave(name, "%s", reason)
	}
	if rule.key != "" && value != nil {
		c.conversion.Values[rule.key] = value
	}
}

// unread: what is not known is closed.
func (c *converter) unread(name string) {
	if name == "ALLOW_UNSAFE_URL" {
		c.conversion.Values["edge.allow_unsafe"] = false
	}
	told := slices.ContainsFunc(c.conversion.Left, func(l Left) bool { return l.Name == name })
	if _, ok := rules()[name]; ok && !told {
		c.leave(name, "a statement that is not read may set it%s", meant(name))
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
