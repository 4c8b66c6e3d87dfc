package settings

import (
	"fmt"
	"reflect"
	"strings"
)

// splitMaps gives each entry of a map a key of its own, so that one layer can set an entry
// and leave those of the layers before it. Files have mappings; the environment and flags
// have name=value pairs, separated by commas.
func (l layer) splitMaps() (problems []error) {
	for key, field := range leaves(Default()) {
		value, given := l.values[key]
		if !given || field.Kind() != reflect.Map {
			continue
		}
		entries, ok := readMap(value)
		if !ok {
			problems = append(problems, fmt.Errorf("%s: %s: %v is no map: in a file it is like {webp: 80, avif: 60}, in the environment and in flags like webp=80,avif=60", l.label(key), key, value))
		}
		for name, entry := range entries {
			l.values[key+"."+name] = entry
			if label, ok := l.labels[key]; ok {
				l.labels[key+"."+name] = label
			}
		}
		delete(l.values, key)
	}
	return problems
}

// readMap reads what a layer gives for a map; nil and "" are one without entries.
func readMap(value any) (entries map[string]any, ok bool) {
	switch v := value.(type) {
	case nil:
		return nil, true
	case map[string]any:
		return v, true
	case string:
		return readPairs(v)
	}
	return nil, false
}

func readPairs(text string) (entries map[string]any, ok bool) {
	entries = map[string]any{}
	if text == "" {
		return entries, true
	}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || name == "" {
			return nil, false
		}
		entries[name] = value
	}
	return entries, true
}

// find gives the value of a key, or for an entry of a map, a value of its type.
func find(known map[string]reflect.Value, key string) (reflect.Value, bool) {
	if field, ok := known[key]; ok {
		return field, true
	}
	if i := strings.LastIndexByte(key, '.'); i > 0 {
		if whole, ok := known[key[:i]]; ok && whole.Kind() == reflect.Map {
			return reflect.Zero(whole.Type().Elem()), true
		}
	}
	return reflect.Value{}, false
}

// moved are keys of earlier versions, each with what is set instead.
func moved() map[string]string {
	return map[string]string{
		"render.quality_webp": "set render.qualities: {webp: 80}, or THUMBMILL_RENDER_QUALITIES=webp=80",
		"render.quality_avif": "set render.qualities: {avif: 60}, or THUMBMILL_RENDER_QUALITIES=avif=60",
	}
}
