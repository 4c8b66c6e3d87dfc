package objectstore

import "strings"

// partOfSpec is how many bytes of a spec one header of metadata takes: Swift allows 256
// by default.
const partOfSpec = 250

// SpecParts cuts a spec for stores whose metadata are headers.
func SpecParts(spec string) (parts []string) {
	for spec != "" {
		part := spec[:min(len(spec), partOfSpec)]
		parts, spec = append(parts, part), spec[len(part):]
	}
	return parts
}

// JoinSpec undoes SpecParts: part gives one by its number from 0, and "" behind the last.
func JoinSpec(part func(i int) string) string {
	var spec strings.Builder
	for i := 0; part(i) != ""; i++ {
		spec.WriteString(part(i))
	}
	return spec.String()
}
