package corpora

import (
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/corpora"
)

// Specifications define the right picture of each of the project's own originals.
func TestGenerated(t *testing.T) {
	all, missing, err := corpora.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(missing) > 0 {
		t.Logf("not installed: %v; skip their originals", missing)
	}
	originals := t.TempDir()
	if err := corpora.Write(originals, all); err != nil {
		t.Fatal(err)
	}
	var questions []question
	for _, o := range all {
		request := asPNG
		if o.Want.Frames > 1 {
			request = "320x0"
		}
		questions = append(questions, question{o.Name, request, o.Want})
		if strings.Contains(o.Name, "-profile") || strings.Contains(o.Name, "chrm") || strings.Contains(o.Name, "gama") {
			want := o.Want
			for i := range want.Patches { // two lossy steps
				want.Patches[i].Near = max(want.Patches[i].Near, 10)
			}
			questions = append(questions, question{o.Name, "320x0/filters:format(webp)", want}, question{o.Name, "320x0/filters:format(jpeg)", want})
		}
	}
	ask(t, originals, questions, generatedNotYet())
}
