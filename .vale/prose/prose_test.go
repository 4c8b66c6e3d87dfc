package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestProse(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want bool
	}{
		"a sentence":            {"the original's URL holds a user name", true},
		"a message with a verb": {"NATS at %s does not answer: %w", true},
		"two words":             {"not found", false},
		"a key":                 {"edge.security_key", false},
		"a path":                {"/srv/media/a b c", false},
		"a pattern":             {`^(\d+)px-(.*) $`, false},
		"flags of a command":    {"-size 300x200 xc:red -quality 80 out.png", false},
		"markup":                {"<p>this is a page of ours</p>", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := isProse(c.text); got != c.want {
				t.Errorf("isProse(%q) is %v", c.text, got)
			}
		})
	}
}

func TestParagraphs(t *testing.T) {
	for name, c := range map[string]struct{ file, content, want string }{
		"comments of Go lose their marks": {"a.go", "// Package a does\n// one thing.\n//\n//\tcode\n//\n// And more.\npackage a\n",
			"1 Package a does one thing.|6 And more."},
		"strings of Go are joined":       {"a.go", "package a\n\nvar s = \"one sentence \" +\n\t\"on two lines\"\n", "3 one sentence on two lines"},
		"a struct's tags are no prose":   {"a.go", "package a\n\ntype t struct {\n\tA int `one two three four`\n}\n", ""},
		"a linter's directive is none":   {"a.go", "package a\n\n//nolint:gosec // it is a test of ours\nvar s = 1\n", ""},
		"a test's message is prose":      {"a_test.go", "package a\n\nfunc f() { t.Errorf(\"this is a message\") }\n", "3 this is a message"},
		"a test's input is not":          {"a_test.go", "package a\n\nvar s = \"this is an input\"\n", ""},
		"Markdown without code":          {"a.md", "# Title\n\nRun `a b` and\nread on.\n\n```\nwhat is code\n```\n", "3 Run `code` and read on."},
		"a table's cells":                {"a.md", "| a cell | and another |\n", "1 a cell|1 and another"},
		"a glossary's last column":       {"a.md", "| word | what it is | not |\n|---|---|---|\n| original | the file as uploaded | master |\n", "1 word|1 what it is|3 original|3 the file as uploaded"},
		"a bad example":                  {"a.md", "- the master → the original\n", "1 the original"},
		"a link's text":                  {"a.md", "Read [the page](what/is/here).\n", "1 Read the page."},
		"comments of YAML":               {"a.yml", "# One line\n# and another.\nkey: value # a reason\n", "1 One line and another.|3 a reason"},
		"descriptions of YAML":           {"a.yml", "summary: \"no renderer answers\"\n", "1 no renderer answers"},
		"a page's words, and no scripts": {"a.html", "<html>\n<script>\nwhat\n</script><p>Two\nwords</p>", "4 Two|5 words"},
		"a file of another kind":         {"a.png", "This is no text.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := read(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := summary(got); got != c.want {
				t.Errorf("the paragraphs are %q, want %q", got, c.want)
			}
		})
	}
}

// summary is each paragraph with its first line.
func summary(t text) string {
	all := make([]string, len(t.paragraphs))
	for i, p := range t.paragraphs {
		line, _ := p.at(0)
		all[i] = string(rune('0'+line)) + " " + p.String()
	}
	return strings.Join(all, "|")
}

func TestAFindingHasItsLineAndSentence(t *testing.T) {
	p := paragraph{[]piece{{4, "The first one ends here. The second"}, {5, "goes on. The third ends."}}}
	for name, c := range map[string]struct {
		offset   int
		line     int
		sentence string
	}{
		"at the start":          {0, 4, "The first one ends here."},
		"in the second":         {30, 4, "The second goes on."},
		"on the following line": {37, 5, "The second goes on."},
		"at the end":            {58, 5, "The third ends."},
		"beyond the end":        {99, 5, "The third ends."},
	} {
		t.Run(name, func(t *testing.T) {
			if line, sentence := p.at(c.offset); line != c.line || sentence != c.sentence {
				t.Errorf("at(%d) is line %d, %q", c.offset, line, sentence)
			}
		})
	}
}

// Each rule's comment has sentences that it finds, after "# bad:", and others in which no rule
// finds anything, after "# good:".
func TestRulesFindTheirExamples(t *testing.T) {
	t.Chdir("..") // as the command runs
	rules, err := filepath.Glob("thumbmill/*.yml")
	if err != nil || len(rules) == 0 {
		t.Fatalf("no rules: %v", err)
	}
	work := t.TempDir()
	var want, got []string
	for _, path := range rules {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rule := strings.TrimSuffix(filepath.Base(path), ".yml")
		for i, line := range strings.Split(string(content), "\n") {
			kind, sentence, _ := strings.Cut(line, ":")
			if kind != "# bad" && kind != "# good" {
				continue
			}
			name := fmt.Sprintf("%s-%d-%s.txt", rule, i+1, strings.TrimPrefix(kind, "# "))
			if err := os.WriteFile(filepath.Join(work, name), []byte(strings.TrimSpace(sentence)+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if kind == "# bad" {
				want = append(want, name+": "+rule)
			}
		}
	}
	alerts, err := vale(work)
	if err != nil {
		t.Fatal(err)
	}
	for path, all := range alerts {
		for _, a := range all {
			got = append(got, filepath.Base(path)+": "+strings.TrimPrefix(a.Check, "thumbmill."))
		}
	}
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("the rules find\n%s\nand must find\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Glossary.yml is the glossary's own list of words that are not used.
func TestTheGlossaryHasOneList(t *testing.T) {
	want := glossary(t)
	got, err := os.ReadFile(glossaryRule)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if string(got) == want {
		return
	}
	if err := os.WriteFile(glossaryRule, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Errorf("%s differs from the glossary's table: it is written again, commit it", glossaryRule)
}

const glossaryRule = "../thumbmill/Glossary.yml"

// glossary returns the rule that follows from the tables of the page with the glossary.
func glossary(t *testing.T) string {
	t.Helper()
	rows := []string{}
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		content, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, swaps(string(content))...)
	}
	if len(rows) < 10 {
		t.Fatalf("the glossary rules out only %v", rows)
	}
	slices.Sort(rows)
	const head = `# One word for each thing: the glossary's table names the words that are not used. This file is
# written from it by go -C .vale test ./prose.
# bad:  The coordinator asks the orchestrator.
# good: The edge asks the coordinator.
# bad:  A rendition of the original.
# good: A thumbnail of the original.
extends: existence
message: "Use the glossary's word instead of '%s'."
level: error
ignorecase: true
tokens:
`
	return head + strings.Join(rows, "")
}

// swaps returns a line of the rule for each word in the last column of a page's tables that
// begin with "| word |".
func swaps(page string) (rows []string) {
	inside := false
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		inside = strings.HasPrefix(line, "| word |") || inside && strings.HasPrefix(line, "|")
		if !inside || len(cells) != 3 || strings.HasPrefix(line, "| word |") {
			continue
		}
		for word := range strings.SplitSeq(cells[2], ",") {
			if word = strings.TrimSpace(word); word != "" {
				rows = append(rows, fmt.Sprintf("  - %s # %s\n", word, strings.TrimSpace(cells[0])))
			}
		}
	}
	return rows
}
