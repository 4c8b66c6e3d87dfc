package fromenv

import (
	"net/url"
	"strconv"
	"strings"
)

func text(value string) (any, string) { return value, "" }

func truth(value string) (any, string) {
	b, err := strconv.ParseBool(value)
	if err != nil {
		return nil, strconv.Quote(value) + " is neither true nor false"
	}
	return b, ""
}

func whole(value string) (any, string) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return nil, strconv.Quote(value) + " is not a whole number of 0 or more"
	}
	return n, ""
}

// seconds reads a number of seconds, or a duration with units.
func seconds(value string) (any, string) {
	if n, err := strconv.Atoi(value); err == nil && n >= 0 {
		return strconv.Itoa(n) + "s", ""
	}
	return value, ""
}

// size reads a number of bytes. 0 means no limit, which thumbmill has not.
func size(value string) (any, string) {
	n, err := strconv.ParseInt(value, 10, 64)
	switch {
	case err != nil || n < 0:
		return nil, strconv.Quote(value) + " is not a number of bytes"
	case n == 0:
		return nil, ""
	}
	return strconv.FormatInt(n, 10) + "B", ""
}

// megapixels reads a number of millions of pixels.
func megapixels(value string) (any, string) {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil || !(v > 0 && v < 10_000) {
		return nil, strconv.Quote(value) + " is not a number of megapixels"
	}
	return int64(v * 1e6), ""
}

// origin reads the value of Access-Control-Allow-Origin.
func origin(value string) (any, string) { return []string{value}, "" }

// list reads texts between commas.
func list(value string) (all []string) {
	for part := range strings.SplitSeq(value, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// presets reads name=options; other separators between presets than a comma are passed by the caller.
func presets(value, separator string) (all map[string]any, reason string) {
	all = map[string]any{}
	for line := range strings.SplitSeq(value, separator) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, options, ok := strings.Cut(line, "=")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, strconv.Quote(line) + " is not a preset such as card=rs:fill:300:200"
		}
		all[strings.TrimSpace(name)] = strings.TrimSpace(options)
	}
	return all, ""
}

// hosts returns the hosts of sources such as https://*.example.com/photos/. whole is false when a source names more than
// a host, which thumbmill does not check.
func hosts(sources []string) (all []string, whole bool) {
	whole = true
	for _, source := range sources {
		u, err := url.Parse(source)
		if err != nil || u.Host == "" {
			whole = false
			continue
		}
		whole = whole && strings.Trim(u.Path, "/*") == "" && (u.Host == "*" || !strings.Contains(strings.TrimPrefix(u.Host, "*."), "*"))
		all = append(all, u.Host)
	}
	return all, whole
}

// site returns a loader for URLs of a scheme.
func site(scheme string, hosts, allow []string) map[string]any {
	loader := map[string]any{"for": scheme, "kind": "http", "hosts": hosts}
	if len(allow) > 0 {
		loader["allow"] = allow
	}
	return loader
}
