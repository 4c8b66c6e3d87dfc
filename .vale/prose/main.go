// Command prose checks the project's sentences with vale: Markdown pages as they are, and the
// comments, strings and descriptions that it takes out of Go, YAML, HTML, scripts and
// configuration files. It prints a line for each finding, and exits with 1 if there is one.
//
//	go -C .vale run ./prose [--count] FOLDER...
//
// A folder is relative to the root of the project; none means the whole project.
package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// root is the project's root, seen from the module in .vale.
const root = ".."

func main() {
	count := flag.Bool("count", false, "print the number of findings for each rule and folder instead of the findings")
	flag.Parse()
	found, err := check(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "prose:", err)
		os.Exit(2)
	}
	if *count {
		printCounts(found)
	} else {
		printFindings(found)
	}
	if len(found) > 0 {
		os.Exit(1)
	}
}

// finding is one match of a rule.
type finding struct {
	path     string // relative to the root
	line     int
	rule     string
	message  string
	sentence string
}

// check returns the findings in the folders, sorted by file and line.
func check(folders []string) ([]finding, error) {
	if len(folders) == 0 {
		folders = []string{"."}
	}
	work, err := os.MkdirTemp("", "prose")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	texts := map[string]text{}
	for _, folder := range folders {
		if err := extract(folder, work, texts); err != nil {
			return nil, err
		}
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("no file with prose in %s", strings.Join(folders, ", "))
	}
	alerts, err := vale(work)
	if err != nil {
		return nil, err
	}
	return locate(alerts, texts), nil
}

// extract writes the prose of each file below the folder into work, and notes it in texts by
// the path that vale will name.
func extract(folder, work string, texts map[string]text) error {
	start := filepath.Join(root, folder)
	return filepath.WalkDir(start, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if path != start && skipped(entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		t, err := read(path)
		if err != nil || len(t.paragraphs) == 0 {
			return err
		}
		t.path = filepath.ToSlash(name)
		out := filepath.Join(work, name+".txt")
		texts[out] = t
		if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
			return err
		}
		return os.WriteFile(out, []byte(t.String()), 0o644)
	})
}

// skipped names folders without prose of ours: built files, data, test inputs and tools.
func skipped(folder string) bool {
	return strings.HasPrefix(folder, ".") || slices.Contains([]string{"bin", "data", "testdata", "node_modules", "findings"}, folder)
}

// alert is a finding as vale prints it.
type alert struct {
	Check   string
	Message string
	Line    int
	Span    [2]int
}

// vale runs vale over a folder, and returns its alerts by file.
func vale(folder string) (map[string][]alert, error) {
	run := exec.Command("go", "tool", "vale", "--config", filepath.Join(root, ".vale.ini"), "--output", "JSON", folder)
	run.Stderr = os.Stderr
	out, err := run.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return nil, fmt.Errorf("vale: %w\n%s", err, out)
	}
	var alerts map[string][]alert
	if err := json.Unmarshal(out, &alerts); err != nil {
		return nil, fmt.Errorf("vale printed no JSON: %w\n%s", err, out)
	}
	return alerts, nil
}

// locate turns vale's alerts into findings in the project's own files.
func locate(alerts map[string][]alert, texts map[string]text) (found []finding) {
	for path, all := range alerts {
		t := texts[path]
		for _, a := range all {
			p := t.paragraphs[(a.Line-1)/2]
			line, sentence := p.at(a.Span[0] - 1)
			rule := strings.TrimPrefix(a.Check, "thumbmill.")
			found = append(found, finding{t.path, line, rule, a.Message, sentence})
		}
	}
	slices.SortFunc(found, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.line, b.line), cmp.Compare(a.rule, b.rule))
	})
	return slices.Compact(found)
}

func printFindings(found []finding) {
	for _, f := range found {
		fmt.Printf("%s:%d: %s: %s\n\t%s\n", f.path, f.line, f.rule, f.message, f.sentence)
	}
}

// printCounts prints a table with a line for each folder at the top and a column for each rule.
func printCounts(found []finding) {
	counts, rules, folders := map[[2]string]int{}, []string{}, []string{}
	for _, f := range found {
		folder, _, inside := strings.Cut(f.path, "/")
		if !inside {
			folder = "."
		}
		counts[[2]string{folder, f.rule}]++
		rules, folders = append(rules, f.rule), append(folders, folder)
	}
	slices.Sort(rules)
	slices.Sort(folders)
	rules, folders = slices.Compact(rules), slices.Compact(folders)
	fmt.Printf("%-12s", "")
	for _, r := range rules {
		fmt.Printf("%10s", r)
	}
	for _, folder := range folders {
		fmt.Printf("\n%-12s", folder)
		for _, r := range rules {
			fmt.Printf("%10d", counts[[2]string{folder, r}])
		}
	}
	fmt.Println()
}
