package mediawiki

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

const (
	root = "../../.."
	page = root + "/docs/mediawiki.md"
)

// block is a piece of the page that a machine reads. Its file is named in its first line.
type block struct{ section, language, file, text string }

var (
	fenced  = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```")
	heading = regexp.MustCompile(`(?m)^## (.*)$`)
	comment = regexp.MustCompile(`^(?:#|//) (/\S+)`)
)

// blocks returns the blocks of the page's sections, in their order.
func blocks(t *testing.T, sections ...string) (all []block) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for _, s := range sections {
		wanted[s] = true
	}
	starts := heading.FindAllStringSubmatchIndex(string(text), -1)
	for i, at := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		name := string(text[at[2]:at[3]])
		if !wanted[name] {
			continue
		}
		delete(wanted, name)
		for _, m := range fenced.FindAllStringSubmatch(string(text[at[1]:end]), -1) {
			b := block{section: name, language: m[1], text: m[2]}
			if named := comment.FindStringSubmatch(m[2]); named != nil {
				b.file = named[1]
			}
			all = append(all, b)
		}
	}
	for name := range wanted {
		t.Errorf("the page has no section %q", name)
	}
	return all
}

// Every block of the page is in a section that a test runs.
func TestEveryBlockIsRun(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	run := len(blocks(t, sections()...))
	if shown := len(fenced.FindAllString(string(text), -1)); shown != run {
		t.Errorf("the page shows %d blocks, and tests run %d", shown, run)
	}
	if words := len(strings.Fields(string(text))); words > 1200 {
		t.Errorf("the page has %d words", words)
	}
}
