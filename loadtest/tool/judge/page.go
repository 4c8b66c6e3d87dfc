package judge

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"html/template"
	"image"
	"image/png"
	"io"
	"maps"
	"slices"
)

//go:embed page.html
var pageText string

// row is a row of the page's table.
type row struct {
	Kind   string
	Files  int
	Counts []int
}

// pair is a result with its pictures as data URIs.
type pair struct {
	Result       Result
	Ours, Theirs template.URL
}

// HTML writes a page with the table and the worst pictures beside their references. It has no
// pictures of earlier runs, whose results come from a file.
func (all Results) HTML(out io.Writer, worst int) error {
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return err
	}
	data := struct {
		Verdicts []Verdict
		Rows     []row
		Worst    []pair
	}{Verdicts: Verdicts(), Rows: all.rows()}
	for _, r := range all.Worst(worst) {
		data.Worst = append(data.Worst, pair{r, inline(r.ours), inline(r.theirs)})
	}
	return page.Execute(out, data)
}

// rows returns a row for each kind.
func (all Results) rows() (rows []row) {
	byKind := map[string]Results{}
	for _, r := range all {
		byKind[r.Kind] = append(byKind[r.Kind], r)
	}
	byKind["all"] = all
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		of := row{Kind: kind, Files: len(byKind[kind])}
		for _, v := range Verdicts() {
			of.Counts = append(of.Counts, byKind[kind].count(v))
		}
		rows = append(rows, of)
	}
	return rows
}

// inline returns a picture as a data URI, or "" without a picture.
func inline(m *image.NRGBA) template.URL {
	if m == nil {
		return ""
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil { // only a picture without a size fails
		return ""
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes()))
}
