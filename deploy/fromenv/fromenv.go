// Package fromenv converts the environment variables of imgproxy and imagor into thumbmill's settings, and reports the
// variables that it could not carry over, each with a reason. It reads files as Docker's --env-file and systemd's
// EnvironmentFile have them, and the output of env.
//
// For a variable that the file does not set, the other program's default applies. The settings contain that default if
// thumbmill's default makes another picture or admits other people. A variable with its default needs no counterpart.
package fromenv

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/thumbmill/thumbmill/deploy/conversion"
)

// maxBytes bounds the size of a file.
const maxBytes = 256 << 10

// Dialect has the variables of one program.
type Dialect struct {
	Name     string // of the program
	ours     *regexp.Regexp
	defaults map[string]any
	rules    map[string]rule
	// together converts variables that mean something only together.
	together func(*converter)
}

// rule converts one variable.
type rule struct {
	usual  string // the program's default, which needs no counterpart
	key    string // the setting; "" = none
	secret bool
	read   func(text string) (value any, reason string) // nil = the reason alone
	reason string                                       // against a variable without a setting; "" = together reads it, or it changes nothing here
}

type converter struct {
	converted conversion.Conversion
	dialect   Dialect
	set       map[string]string
	secrets   bool
}

// Convert converts the text of a file of variables. secrets says whether the settings include keys and passwords. It
// returns an error for a text longer than 256 KiB, one that is not UTF-8, and a line that sets no variable.
func Convert(d Dialect, text []byte, secrets bool) (conversion.Conversion, error) {
	if len(text) > maxBytes || !utf8.Valid(text) {
		return conversion.Conversion{}, fmt.Errorf("the file is longer than %d bytes, or not UTF-8: leave only lines such as NAME=value", maxBytes)
	}
	set, err := variables(string(text))
	if err != nil {
		return conversion.Conversion{}, err
	}
	c := &converter{converted: conversion.Conversion{Values: maps.Clone(d.defaults)}, dialect: d, set: set, secrets: secrets}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		c.carry(name, set[name])
	}
	d.together(c)
	slices.SortStableFunc(c.converted.Left, func(a, b conversion.Left) int { return strings.Compare(a.Name, b.Name) })
	return c.converted, nil
}

var assignment = regexp.MustCompile(`^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)

// variables returns the variables of a file. The last line of a name counts.
func variables(text string) (map[string]string, error) {
	set := map[string]string{}
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		found := assignment.FindStringSubmatch(line)
		if found == nil { // the line may be a part of a secret, so the error does not show it
			return nil, fmt.Errorf("line %d does not set a variable: write NAME=value", number)
		}
		set[found[1]] = unquoted(found[2])
	}
	return set, nil
}

// unquoted removes quotes around a value.
func unquoted(value string) string {
	for _, quote := range []string{`"`, `'`} {
		if len(value) > 1 && strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
			return value[1 : len(value)-1]
		}
	}
	return value
}

// same reports whether a value is the usual one, in any spelling of a truth value.
func same(value, usual string) bool {
	a, err := strconv.ParseBool(value)
	b, err2 := strconv.ParseBool(usual)
	return value == usual || err == nil && err2 == nil && a == b
}

func (c *converter) leave(name, format string, args ...any) {
	c.converted.Left = append(c.converted.Left, conversion.Left{Name: name, Reason: fmt.Sprintf(format, args...)})
}

func (c *converter) setting(key string, value any) { c.converted.Values[key] = value }

// is reports whether a variable is true.
func (c *converter) is(name string) bool {
	b, _ := strconv.ParseBool(c.set[name])
	return b
}

// carry carries one variable over, or notes the reason against it.
func (c *converter) carry(name, value string) {
	r, known := c.dialect.rules[name]
	switch {
	case !known && c.dialect.ours.MatchString(name):
		c.leave(name, "thumbmill has no counterpart")
	case !known, value == "", same(value, r.usual):
	case r.secret && !c.secrets:
		c.leave(name, "a secret: set %s, or convert with --secrets", r.key)
	case r.read != nil:
		v, reason := r.read(value)
		if reason != "" {
			c.leave(name, "%s", reason)
		}
		if v != nil {
			c.setting(r.key, v)
		}
	case r.reason != "":
		c.leave(name, "%s", r.reason)
	}
}
