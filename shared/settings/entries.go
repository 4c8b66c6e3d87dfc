package settings

import (
	"fmt"
	"reflect"
	"strings"
)

// splitMaps replaces each map by a key for each entry, so that one layer can set an entry and
// keep the other entries of earlier layers. Files have mappings. The environment and flags have
// name=value pairs, separated by commas.
func (l layer) splitMaps() (problems []error) {
	for key, field := range leaves(Default()) {
		value, given := l.values[key]
		if !given || field.Kind() != reflect.Map {
			continue
		}
		entries, ok := readMap(value)
		if !ok {
			problems = append(problems, fmt.Errorf("%s: %s: %v is not a map: write {webp: 80, avif: 60} in a file, webp=80,avif=60 in the environment and in flags", l.label(key), key, value))
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

// readMap returns the entries of a map in a layer. nil and "" are an empty map.
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

// find returns the value of a key. For the key of a map's entry it returns the zero value of the
// entry's type.
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

// moved returns the keys of earlier versions, each with the setting that replaces it.
func moved() map[string]string {
	return map[string]string{
		"render.quality_webp": "set render.qualities: {webp: 80}, or THUMBMILL_RENDER_QUALITIES=webp=80",
		"render.quality_avif": "set render.qualities: {avif: 60}, or THUMBMILL_RENDER_QUALITIES=avif=60",
	}
}
