package objectstore

import (
	"net/url"
	"strconv"
	"time"
)

// The names of the fields, which stores spell by their services' rules.
const (
	fieldETag     = "etag"
	fieldXKey     = "xkey"
	fieldSpec     = "spec-" // with the number of a part
	fieldDigest   = "spec-digest"
	fieldRules    = "rules"
	fieldOriginal = "original-version"
	fieldRendered = "rendered"
	fieldSides    = "sides"
)

// Fields returns a thumbnail's metadata, without its type and disposition, for a service that keeps texts by name. The
// names are lower-case letters, digits and hyphens, the values ASCII, and no value is empty. Without the spec, which has
// any length, the fields have less than 2 KB. spec says whether to add it, in parts.
func Fields(m Meta, spec bool) map[string]string {
	all := map[string]string{
		fieldETag: m.ETag, fieldXKey: url.QueryEscape(m.XKey), fieldDigest: m.SpecDigest, fieldRules: strconv.Itoa(m.Rules),
		fieldOriginal: url.QueryEscape(m.OriginalVersion), fieldRendered: m.Rendered.UTC().Format(time.RFC3339), fieldSides: m.Sides.Text(),
	}
	if spec {
		for i, part := range SpecParts(m.Spec) {
			all[fieldSpec+strconv.Itoa(i)] = part
		}
	}
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	return all
}

// ReadFields undoes Fields. get returns the value of a name, or "". A field that cannot be read stays zero.
func ReadFields(get func(name string) string) Meta {
	plain := func(name string) string {
		text, err := url.QueryUnescape(get(name))
		if err != nil {
			return get(name)
		}
		return text
	}
	rules, _ := strconv.Atoi(get(fieldRules))
	rendered, _ := time.Parse(time.RFC3339, get(fieldRendered))
	return Meta{
		ETag: get(fieldETag), XKey: plain(fieldXKey), Spec: JoinSpec(func(i int) string { return get(fieldSpec + strconv.Itoa(i)) }),
		SpecDigest: get(fieldDigest), Rules: rules, OriginalVersion: plain(fieldOriginal), Rendered: rendered, Sides: ReadSides(get(fieldSides)),
	}
}
