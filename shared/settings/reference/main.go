// Command reference writes docs/configuration.md from the source of the settings: names, defaults
// and comments.
//
//	go generate ./shared/settings/...
package main

//go:generate go run . ../../../docs/configuration.md ../settings.go ../../objectstore/storeconfig/storeconfig.go

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: reference PAGE SOURCE…")
	}
	text, err := page(args[1:])
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], text, 0o644) //nolint:gosec // everybody reads documentation
}

const head = `# Configuration

This page lists every setting with its default. The source writes it: ` + "`go generate ./shared/settings/...`" + `.

` + "`--config`" + ` reads a YAML file, or the ` + "`*.yaml`" + ` files of a folder in alphabetical order. Environment variables overwrite the
files (` + "`edge.allow_unsafe`" + ` is ` + "`THUMBMILL_EDGE_ALLOW_UNSAFE`" + `; write lists as ` + "`a,b`" + ` and maps as ` + "`name=value,name=value`" + `). Flags overwrite both. All roles read one tree,
and each role uses its own part. The value of a secret can be ` + "`file:`" + ` and the path of a file with the secret.
` + "`thumbmill config check PATH`" + ` lists all errors, and ` + "`thumbmill config show`" + ` prints the settings in use.
`

// page returns the reference of the settings in source files.
func page(sources []string) ([]byte, error) {
	p := &reference{said: map[string]said{}}
	for _, source := range sources {
		more, err := comments(source)
		if err != nil {
			return nil, err
		}
		maps.Copy(p.said, more)
	}
	p.text.WriteString(head)
	tree := reflect.ValueOf(settings.Default())
	for i := range tree.NumField() {
		field := tree.Type().Field(i)
		name := field.Tag.Get("koanf")
		p.write("\n## %s\n\n%s\n\n| key | default | |\n|---|---|---|\n", name, p.said[field.Type.Name()].doc)
		p.rows(name, tree.Field(i))
	}
	p.formats()
	return p.text.Bytes(), nil
}

// formats writes the table of formats.
func (p *reference) formats() {
	p.write("\n## The formats of thumbnails\n\nSettings use the first name of a row; URLs and `format(…)` accept " +
		"all names of a row. The last columns show which settings and URLs accept the format.\n\n| name | | media type | longest side | transparency | animation | " +
		"`render.qualities` | `thumbor.auto_formats` | `renderer.optimizers` | MediaWiki's URLs |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, f := range thumbnail.Formats() {
		animation := map[thumbnail.Animation]string{thumbnail.FirstFrame: "first frame", thumbnail.ByEncoder: "yes", thumbnail.ByTool: "yes, of a GIF", thumbnail.Packed: "yes"}[f.Animation]
		p.write("| `%s` | %s | `%s` | %d | %s | %s | %s | %s | %s | %s |\n", strings.Join(f.Spellings, "`, `"), f.Name, f.MediaTypes[0],
			f.LongestSide, yes(f.Alpha), animation, yes(f.Lossy), yes(f.Negotiable), yes(f.Optimized), yes(f.Wikimedia))
	}
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

// said is the comments of a type and of its fields.
type said struct {
	doc    string
	fields map[string]string
}

// comments returns the comments of each type in a source file.
func comments(source string) (map[string]said, error) {
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	all := map[string]said{}
	for _, decl := range file.Decls {
		general, ok := decl.(*ast.GenDecl)
		if !ok || general.Tok != token.TYPE {
			continue
		}
		spec := general.Specs[0].(*ast.TypeSpec)
		one := said{doc: sentence(spec.Name.Name, general.Doc.Text()), fields: map[string]string{}}
		if body, ok := spec.Type.(*ast.StructType); ok {
			for _, f := range body.Fields.List {
				for _, name := range f.Names {
					one.fields[name.Name] = inline(f.Doc.Text() + f.Comment.Text())
				}
			}
		}
		all[spec.Name.Name] = one
	}
	return all, nil
}

// sentence turns the comment "Edge is the server." into "The server."
func sentence(name, doc string) string {
	doc = inline(doc)
	for _, verb := range []string{" is ", " are "} {
		if rest, ok := strings.CutPrefix(doc, name+verb); ok {
			return strings.ToUpper(rest[:1]) + rest[1:]
		}
	}
	return doc
}

func inline(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}

type reference struct {
	text bytes.Buffer
	said map[string]said
}

func (p *reference) write(format string, args ...any) { _, _ = fmt.Fprintf(&p.text, format, args...) }

// rows writes the settings of a struct and of the structs in it.
func (p *reference) rows(prefix string, v reflect.Value) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		key, squash, _ := strings.Cut(field.Tag.Get("koanf"), ",")
		if squash == "squash" {
			p.write("| `%s.…` | | the keys of `store.originals` |\n", prefix)
			continue
		}
		key = prefix + "." + key
		about := p.said[v.Type().Name()].fields[field.Name]
		switch {
		case field.Type.Kind() == reflect.Struct:
			if doc := p.said[field.Type.Name()].doc; about == "" {
				about = doc
			}
			p.write("| **`%s`** | | %s |\n", key, about)
			p.rows(key, v.Field(i))
		case field.Type.Kind() == reflect.Slice && field.Type.Elem().Kind() == reflect.Struct:
			p.write("| **`%s`** | | %s |\n", key, about)
			p.rows(key+"[]", reflect.Zero(field.Type.Elem()))
		default:
			p.write("| `%s` | %s | %s |\n", key, value(v.Field(i)), about)
		}
	}
}

// value returns a default as an operator writes it.
func value(v reflect.Value) string {
	if v.IsZero() && slices.Contains([]reflect.Kind{reflect.String, reflect.Slice, reflect.Map, reflect.Pointer}, v.Kind()) {
		return ""
	}
	switch x := v.Interface().(type) {
	case time.Duration:
		return "`" + strings.NewReplacer("h0m0s", "h", "m0s", "m").Replace(x.String()) + "`"
	case []string:
		return "`" + strings.Join(x, ", ") + "`"
	case string:
		return "`" + x + "`"
	default:
		return fmt.Sprintf("`%v`", x)
	}
}
