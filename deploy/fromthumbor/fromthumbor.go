// Package fromthumbor converts a configuration of Thumbor, Wikimedia's included, into thumbmill's
// settings, and reports the lines that it could not carry over, each with a reason.
//
// Thumbor's configuration is a Python program of assignments. The package parses it as Starlark, a
// dialect of Python, after python.go has translated literals, and executes nothing: it evaluates plain
// values and simple arithmetic (evaluate.go), and reports everything else. For a name that the file does not assign, Thumbor's
// default applies. The settings contain that default if thumbmill's default makes another picture
// or admits other people.
package fromthumbor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/thumbmill/thumbmill/deploy/conversion"
)

// maxBytes bounds the size of a configuration, and with it the depth of its brackets.
const maxBytes = 256 << 10

// Left is a line that was not carried over.
type Left = conversion.Left

// Conversion is the result of converting a configuration.
type Conversion = conversion.Conversion

// Convert converts the text of a thumbor.conf. secrets says whether the settings include keys and
// passwords. Convert returns an error for a text longer than 256 KiB, or one that is not UTF-8 or not
// Python.
func Convert(text []byte, secrets bool) (Conversion, error) {
	if len(text) > maxBytes {
		return Conversion{}, fmt.Errorf("the configuration is longer than %d bytes: remove the parts that are not assignments", maxBytes)
	}
	if !utf8.Valid(text) {
		return Conversion{}, errors.New("the configuration is not UTF-8: convert it first, for instance with iconv")
	}
	python, err := translate(strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n"))
	if err != nil {
		return Conversion{}, err
	}
	assigned, left, err := evaluate(python)
	if err != nil {
		return Conversion{}, err
	}
	c := &converter{converted: Conversion{Values: defaults(), Left: left}, assigned: assigned, secrets: secrets}
	for _, name := range slices.Sorted(maps.Keys(assigned)) {
		c.carry(name, assigned[name])
	}
	c.together()
	c.converted.Left = slices.DeleteFunc(c.converted.Left, func(l Left) bool { return c.off(l.Name) })
	slices.SortStableFunc(c.converted.Left, func(a, b Left) int { return strings.Compare(a.Name, b.Name) })
	return c.converted, nil
}

// defaults returns Thumbor's defaults that differ from thumbmill's.
func defaults() map[string]any {
	return map[string]any{
		"edge.allow_unsafe": true, "edge.cors": []string{}, "render.quality": 80, "render.progressive": true,
		"render.respect_orientation": false, "thumbor.rotate": "counterclockwise", "thumbor.keep_gifs": true,
	}
}

type converter struct {
	converted Conversion
	assigned  map[string]any
	secrets   bool
}

func (c *converter) leave(name, format string, args ...any) {
	c.converted.Left = append(c.converted.Left, Left{Name: name, Reason: fmt.Sprintf(format, args...)})
}

// carry carries one assignment over, or notes the reason against it.
func (c *converter) carry(name string, v any) {
	if v == (unread{}) {
		c.unread(name)
		return
	}
	rule, ok := rules()[name]
	if !ok {
		if reason := lost(name, v); reason != "" {
			c.leave(name, "%s", reason)
		}
		return
	}
	if rule.secret && !c.secrets {
		c.leave(name, "a secret: set %s, or convert with --secrets", rule.key)
		return
	}
	value, reason := rule.read(v)
	if reason != "" { // also when only a part of the value was left out
		c.leave(name, "%s", reason)
	}
	if rule.key != "" && value != nil {
		c.converted.Values[rule.key] = value
	}
}

// unread handles a name with an unknown value: the settings say nothing about it. It turns unsafe URLs
// off, because a statement may have done so.
func (c *converter) unread(name string) {
	rule, ok := rules()[name]
	if name == "ALLOW_UNSAFE_URL" {
		c.converted.Values[rule.key] = false
	} else {
		delete(c.converted.Values, rule.key)
	}
	told := slices.ContainsFunc(c.converted.Left, func(l Left) bool { return l.Name == name })
	if ok && !told {
		c.leave(name, "a statement that cannot be read may set it%s", meant(name))
	}
}
