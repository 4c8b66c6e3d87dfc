package corpora

// caseNotYet lists the known faults of cases: patterns of names, each with its reason. A pattern
// without a fault is an error, so the list shrinks.
func caseNotYet() []known {
	return []known{
		{"pdf-image-decodes-*", "poppler ignores the Decode array of an indexed image with a mask"},
	}
}

// generatedNotYet is the same list for the project's own originals.
func generatedNotYet() []known {
	const rounded = "like MediaWiki, thumbmill rounds both sides before it computes a height"
	return []known{{"svg-size-pt-blank.svg", rounded}, {"svg-size-mm.svg", rounded}, {"svg-size-em.svg", rounded}}
}
