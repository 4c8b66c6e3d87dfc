package reference

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/renderer"
)

const root = "../../.."

var write = flag.Bool("write", false, "write docs/reference.md instead of comparing it")

func TestMain(m *testing.M) {
	if renderer.WorkerAsked() {
		os.Exit(renderer.WorkerMain())
	}
	os.Exit(m.Run())
}

// The page must equal the text from the programs, the roles' metrics and the tables of headers.
func TestThePageIsTheProgram(t *testing.T) {
	path := filepath.Join(root, "docs/reference.md")
	want := page(t)
	if t.Failed() {
		return
	}
	if *write {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("docs/reference.md differs from the programs: run `go generate ./loadtest/suites/reference`\n%s", firstDifference(string(got), want))
	}
}

// firstDifference returns the first line in which two texts differ.
func firstDifference(got, want string) string {
	here, there := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(here), len(there)) {
		if here[i] != there[i] {
			return fmt.Sprintf("line %d of the page: %s\nand it would be:     %s", i+1, here[i], there[i])
		}
	}
	return fmt.Sprintf("%d lines, and it would be %d", len(here), len(there))
}

const head = `# Reference

For people who look up an HTTP header, a metric or a command. ` + "`go generate ./loadtest/suites/reference`" + ` writes this
page from the programs. [Configuration](configuration.md) lists the settings.

## HTTP headers

### Request headers

| header | read when | value |
|---|---|---|
`

const metricsHead = `
## Metrics

` + "`/metrics`" + ` of the listener ` + "`admin.listen`" + ` has the metrics of its role, and Go's and the process' own (` + "`go_…`" + `,
` + "`process_…`" + `). ` + "`thumbmill serve`" + ` has the metrics of all roles, each with the label ` + "`role`" + `.
`

func page(t *testing.T) string {
	t.Helper()
	var text strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&text, format, args...) }
	say(head)
	for _, h := range read {
		say("| `%s` | %s | %s |\n", h.name, h.when, h.values)
	}
	say("\n### Answer headers\n\n| header | sent | value |\n|---|---|---|\n")
	for _, h := range sent {
		say("| `%s` | %s | %s |\n", h.name, h.when, h.values)
	}
	say(metricsHead)
	all := registered(t)
	for _, role := range []string{"edge", "coordinator", "renderer"} {
		say("\n### Metrics of the %s\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n", role)
		for _, m := range all[role] {
			say("| `%s` | %s | %s | %s |\n", m.name, m.kind, quoted(m.labels), strings.ReplaceAll(m.help, "|", `\|`))
		}
	}
	say("\n## Commands\n")
	folder := programs.Build(t, programs.Thumbmill, programs.Edge, programs.Coordinator, programs.Renderer, programs.Loadtest)
	for _, program := range []string{"thumbmill", "edge", "coordinator", "renderer", "loadtest"} {
		commands(t, say, folder, program)
	}
	return text.String()
}

func quoted(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, `") + "`"
}

var (
	below     = regexp.MustCompile(`(?ms)^Available Commands:\n(.*?)\n\n`)
	belowName = regexp.MustCompile(`(?m)^  (\S+) `)
)

// commands writes the help of a command and of all its subcommands.
func commands(t *testing.T, say func(string, ...any), folder string, line ...string) {
	t.Helper()
	if line[len(line)-1] == "help" {
		return
	}
	help := exec.Command(filepath.Join(folder, line[0]), append(line[1:], "--help")...)
	help.Env = []string{"HOME=/root", "PATH=" + os.Getenv("PATH")}
	out, err := help.CombinedOutput()
	if err != nil {
		t.Fatalf("%v --help: %v\n%s", line, err, out)
	}
	say("\n%s %s\n\n```text\n%s\n```\n", strings.Repeat("#", min(2+len(line), 4)), strings.Join(line, " "), strings.TrimSpace(string(out)))
	list := below.FindStringSubmatch(string(out))
	last := line[len(line)-1]
	if list == nil || last == "completion" || last == "debug" && line[0] != "thumbmill" { // the same for all roles
		return
	}
	for _, found := range belowName.FindAllStringSubmatch(list[1], -1) {
		commands(t, say, folder, append(append([]string{}, line...), found[1])...)
	}
}
