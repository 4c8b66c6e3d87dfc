package tools

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strconv"
)

// counted is a copy of a PDF with possible numbers of pages, in the folder where tools write.
const counted = "counted.pdf"

// mostCounted is the most bytes of a PDF whose numbers of pages are read.
const mostCounted = 64 << 20

var (
	pageCount = regexp.MustCompile(`/Count[ \r\n\t]+[0-9]+`)
	pageType  = regexp.MustCompile(`/Type[ \r\n\t]*/Page[^s]`)
)

// countable returns the path of the original, or of a copy in which no number of pages is larger than the file: MuPDF
// 1.25 reserves memory for as many pages as a file claims, and poppler 25 draws none of them.
func (t *task) countable() string {
	info, err := t.request.Original.Stat()
	if err != nil || info.Size() > mostCounted {
		return named
	}
	body, err := io.ReadAll(io.NewSectionReader(t.request.Original, 0, info.Size()))
	if err != nil || !lowerCounts(body) || os.WriteFile(counted, body, 0o600) != nil {
		return named
	}
	return counted
}

// lowerCounts replaces each impossible number of pages in a PDF by the number of pages in sight, at least 1, and
// reports whether there was one. Each byte keeps its place, so that the file's table of objects stays right.
func lowerCounts(body []byte) (lowered bool) {
	inSight := strconv.Itoa(max(1, len(pageType.FindAllIndex(body, -1))))
	for _, at := range pageCount.FindAllIndex(body, -1) {
		claim := body[at[0]+len("/Count") : at[1]]
		digits := bytes.TrimSpace(claim)
		n, err := strconv.ParseUint(string(digits), 10, 64)
		if err == nil && n <= uint64(len(body)) || len(digits) < len(inSight) {
			continue
		}
		copy(claim, bytes.Repeat([]byte(" "), len(claim)))
		copy(claim[len(claim)-len(inSight):], inSight)
		lowered = true
	}
	return lowered
}
