package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/rawbytes"
	"github.com/knadh/koanf/v2"

	"github.com/thumbmill/thumbmill/shared/objectstore/storeconfig"
	"github.com/thumbmill/thumbmill/shared/settings/value"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// EnvPrefix begins the names of environment variables: edge.allow_unsafe is
// THUMBMILL_EDGE_ALLOW_UNSAFE.
const EnvPrefix = "THUMBMILL_"

// layer is one source of values: a file, the environment or the flags.
type layer struct {
	name   string
	values map[string]any // by full key
	labels map[string]string
}

// Load returns the defaults, overwritten by the file or the *.yaml files of the folder at path
// in alphabetical order, then by the environment, then by the flags, which have full keys. With
// path "" it reads no file. The error joins all problems. Each names the file, variable or flag,
// the key, the value and the allowed values.
func Load(path string, environ []string, flags map[string]any) (Settings, error) {
	layers, problems := readFiles(path)
	env, envProblems := readEnvironment(environ)
	problems = append(problems, envProblems...)
	layers = append(layers, env, layer{name: "flags", values: flags})

	origin := map[string]string{}
	merged := koanf.New(".")
	for _, l := range layers {
		problems = append(problems, l.splitMaps()...)
		problems = append(problems, l.check()...)
		if err := merged.Load(confmap.Provider(l.values, "."), nil); err != nil {
			return Settings{}, fmt.Errorf("%s: %w", l.name, err)
		}
		for key := range l.values {
			origin[key] = l.label(key)
		}
	}
	s := Default()
	if err := merged.UnmarshalWithConf("", &s, koanf.UnmarshalConf{DecoderConfig: decoder(&s)}); err != nil {
		return Settings{}, errors.Join(append(problems, err)...)
	}
	problems = append(problems, s.problems(origin)...)
	s.Store.NameBuckets()
	return s, errors.Join(problems...)
}

func readFiles(path string) (layers []layer, problems []error) {
	if path == "" {
		return nil, nil
	}
	files := []string{path}
	if info, err := os.Stat(path); err != nil {
		return nil, []error{fmt.Errorf("configuration: %w", err)}
	} else if info.IsDir() {
		files, _ = filepath.Glob(filepath.Join(path, "*.yaml"))
		short, _ := filepath.Glob(filepath.Join(path, "*.yml"))
		files = append(files, short...)
		slices.Sort(files)
		if len(files) == 0 {
			return nil, []error{fmt.Errorf("configuration: %s has no *.yaml or *.yml files: add one, or name another folder", path)}
		}
	}
	for _, file := range files {
		l, err := readFile(file)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		layers = append(layers, l)
	}
	return layers, problems
}

func readFile(file string) (layer, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return layer{}, err
	}
	k := koanf.New(".")
	if err := k.Load(rawbytes.Provider(text), yaml.Parser()); err != nil {
		return layer{}, fmt.Errorf("%s: parse YAML: %w", file, err)
	}
	l := layer{name: file, values: map[string]any{}}
	for key, value := range k.All() {
		name := underscored(key)
		if _, twice := l.values[name]; twice {
			return layer{}, fmt.Errorf("%s: %s is given twice, once with hyphens: keep one of them", file, name)
		}
		l.values[name] = value
	}
	return l, nil
}

// underscored replaces the hyphens of a key, as commands write it: throttle.per-ip becomes
// throttle.per_ip.
func underscored(key string) string { return strings.ReplaceAll(key, "-", "_") }

// readEnvironment returns the variables that name a key, and a problem for each variable that
// begins like a section and names no key.
func readEnvironment(environ []string) (layer, []error) {
	byName := map[string]string{}
	sections := map[string]bool{}
	for key := range leaves(Default()) {
		byName[envName(key)] = key
		section, _, _ := strings.Cut(key, ".")
		sections[strings.ToUpper(section)] = true
	}
	for key := range moved() {
		byName[envName(key)] = key
	}
	l := layer{name: "environment", values: map[string]any{}, labels: map[string]string{}}
	var problems []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		if key, ok := byName[name]; ok {
			l.values[key], l.labels[key] = value, name
			continue
		}
		section, _, _ := strings.Cut(strings.TrimPrefix(name, EnvPrefix), "_")
		if strings.HasPrefix(name, EnvPrefix) && sections[section] {
			problems = append(problems, fmt.Errorf("%s: no such key%s", name, nearest(name, byName)))
		}
	}
	return l, problems
}

func envName(key string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func (l layer) label(key string) string {
	if label, ok := l.labels[key]; ok {
		return label
	}
	return l.name
}

// check returns a problem for each unknown key and each value of a wrong type. It deletes them
// from the layer, so that Load checks the other values as well.
func (l layer) check() (problems []error) {
	known := leaves(Default())
	for _, key := range sortedKeys(l.values) {
		field, ok := find(known, key)
		if !ok {
			problems = append(problems, fmt.Errorf("%s: %s: %s%s", l.label(key), key, unknown(key, known), nearest(key, known)))
			delete(l.values, key)
			continue
		}
		target := reflect.New(field.Type())
		strict := decoder(target.Interface())
		strict.ErrorUnused = true // for the keys of a loader
		d, err := mapstructure.NewDecoder(strict)
		if err == nil {
			err = d.Decode(l.values[key])
		}
		if _, unread := secretInFile(nil, field.Type(), l.values[key]); unread != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %w", l.label(key), key, unread))
			delete(l.values, key)
			continue
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %s: %v is not %s", l.label(key), key, shown(field, l.values[key], err), allowed(field.Type())))
			delete(l.values, key)
		}
	}
	return problems
}

// unknown says why a key is refused: an earlier version had it, it is a section, or it does not
// exist.
func unknown[V any](key string, known map[string]V) string {
	if instead, ok := moved()[key]; ok {
		return "no such key any more: " + instead
	}
	for candidate := range known {
		if strings.HasPrefix(candidate, key+".") {
			return "this is a section, not a value: set its keys"
		}
	}
	return "no such key"
}

// shown returns a value that has a wrong type, or the error if the value may have secrets.
func shown(field reflect.Value, given any, err error) any {
	switch field.Type() {
	case reflect.TypeFor[value.Secret]():
		return value.Mask
	case reflect.TypeFor[[]storeconfig.Loader](), reflect.TypeFor[[]SecurityKey](), reflect.TypeFor[[]ImgproxyKey]():
		return fmt.Sprintf("this list (%v)", err)
	}
	return given
}

// nearest suggests a known key with the same last part, or with one other byte. It returns ""
// if there is no such key.
func nearest[V any](key string, known map[string]V) string {
	last := key[strings.LastIndex(key, ".")+1:]
	for _, candidate := range sortedKeys(known) {
		if strings.HasSuffix(candidate, "."+last) || editedOnce(candidate, key) {
			return fmt.Sprintf(" (did you mean %s?)", candidate)
		}
	}
	return ""
}

// editedOnce reports whether a and b differ by one inserted, removed or changed byte.
func editedOnce(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(b)-len(a) > 1 {
		return false
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	return a[i:] == b[i+len(b)-len(a):] || (len(a) == len(b) && i < len(a) && a[i+1:] == b[i+1:])
}

func decoder(result any) *mapstructure.DecoderConfig {
	return &mapstructure.DecoderConfig{
		Result: result, TagName: "koanf", WeaklyTypedInput: true,
		DecodeHook: mapstructure.ComposeDecodeHookFunc(
			onlyTextIsADuration,
			secretInFile,
			mapstructure.StringToTimeDurationHookFunc(),
			mapstructure.StringToSliceHookFunc(","),
			mapstructure.TextUnmarshallerHookFunc(),
		),
	}
}

// onlyTextIsADuration refuses "deadline: 70", which mapstructure reads as 70 ns.
func onlyTextIsADuration(from, to reflect.Type, value any) (any, error) {
	if to == reflect.TypeFor[time.Duration]() && from.Kind() != reflect.String && from != to {
		return nil, errors.New("a duration needs a unit")
	}
	return value, nil
}

// inFile is the start of a value that names the file of a secret. systemd and Kubernetes mount
// secrets as files, and other processes may see an environment.
const inFile = "file:"

// secretInFile replaces a secret that names a file by the content of the file, without the
// line end.
func secretInFile(_, to reflect.Type, given any) (any, error) {
	text, ok := given.(string)
	file, named := strings.CutPrefix(text, inFile)
	if to != reflect.TypeFor[value.Secret]() || !ok || !named {
		return given, nil
	}
	secret, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	if text = strings.TrimRight(string(secret), "\r\n"); text == "" {
		return nil, fmt.Errorf("%s is empty: write the secret into it", file)
	}
	return text, nil
}

func allowed(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 4s or 1m30s"
	case reflect.TypeFor[value.Bytes]():
		return "a size such as 3GiB"
	case reflect.TypeFor[[]storeconfig.Loader]():
		return "a list of loaders, each with for, kind and the other keys of store.originals"
	case reflect.TypeFor[[]SecurityKey]():
		return "a list of keys, each with name, key, and perhaps algorithm and truncate"
	case reflect.TypeFor[[]ImgproxyKey]():
		return "a list of keys, each with name, key and salt"
	case reflect.TypeFor[[]Wiki]():
		return "a list of wikis, each with wiki, prefix, and perhaps host, script and hash_levels"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	default:
		return "a text"
	}
}

// leaves returns the value of every full key.
func leaves(s Settings) map[string]reflect.Value {
	found := map[string]reflect.Value{}
	collect(reflect.ValueOf(s), "", found)
	return found
}

func collect(v reflect.Value, prefix string, into map[string]reflect.Value) {
	for i := range v.NumField() {
		key := prefix + v.Type().Field(i).Tag.Get("koanf")
		if v.Field(i).Kind() == reflect.Struct {
			collect(v.Field(i), key+".", into)
			continue
		}
		into[key] = v.Field(i)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Values returns every value by its full key, with secrets masked. Values without a type in YAML
// are text.
func (s Settings) Values() map[string]any {
	values := map[string]any{}
	for key, field := range leaves(s) {
		values[key] = printed(field)
	}
	return values
}

func printed(field reflect.Value) any {
	switch v := field.Interface().(type) {
	case fmt.Stringer:
		return v.String()
	case []string:
		return append([]string{}, v...)
	case []storeconfig.Loader:
		all := []any{}
		for _, loader := range v {
			all = append(all, loaderValues(loader))
		}
		return all
	case []SecurityKey, []ImgproxyKey:
		all := []any{}
		for i := range field.Len() {
			all = append(all, filled(field.Index(i)))
		}
		return all
	case []Wiki:
		all := []any{}
		for _, wiki := range v {
			all = append(all, wiki.values())
		}
		return all
	case map[string]string:
		entries := map[string]any{}
		for name, text := range v {
			entries[name] = text
		}
		return entries
	case thumbnail.Qualities:
		entries := map[string]any{}
		for format, quality := range v {
			entries[string(format)] = quality
		}
		return entries
	default:
		return v
	}
}

// loaderValues returns the values of a loader that are not empty.
func loaderValues(l storeconfig.Loader) map[string]any {
	values := filled(reflect.ValueOf(l.Bucket))
	values["for"] = l.For
	return values
}

// filled returns the values of a struct that are not empty, by their keys.
func filled(v reflect.Value) map[string]any {
	found := map[string]reflect.Value{}
	collect(v, "", found)
	values := map[string]any{}
	for key, field := range found {
		if !field.IsZero() {
			values[key] = printed(field)
		}
	}
	return values
}

// values returns the values of a wiki, with its defaults.
func (w Wiki) values() map[string]any {
	values := map[string]any{"wiki": w.Wiki, "prefix": w.Prefix, "script": w.ThumbScript(), "hash_levels": w.Levels()}
	if w.Host != "" {
		values["host"] = w.Host
	}
	return values
}

// YAML returns the settings as a file that Load reads, with secrets masked.
func (s Settings) YAML() (string, error) {
	k := koanf.New(".")
	if err := k.Load(confmap.Provider(s.Values(), "."), nil); err != nil {
		return "", err
	}
	text, err := k.Marshal(yaml.Parser())
	return string(text), err
}
