package objectstore

import "strings"

// partOfSpec is the number of bytes of a spec in one metadata header. Swift allows 256 by default.
const partOfSpec = 250

// SpecParts splits a spec for stores with metadata in headers.
func SpecParts(spec string) (parts []string) {
	for spec != "" {
		part := spec[:min(len(spec), partOfSpec)]
		parts, spec = append(parts, part), spec[len(part):]
	}
	return parts
}

// JoinSpec undoes SpecParts. part returns a part by its number from 0, and "" after the last.
func JoinSpec(part func(i int) string) string {
	var spec strings.Builder
	for i := 0; part(i) != ""; i++ {
		spec.WriteString(part(i))
	}
	return spec.String()
}
