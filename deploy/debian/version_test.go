package debian

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/shared/version"
)

// checkout makes a folder with the script, and with source that number writes a release number
// into.
func checkout(t *testing.T) (dir string, number func(string)) {
	t.Helper()
	dir = t.TempDir()
	for _, folder := range []string{"deploy/debian", "shared/version"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	copyTo := func(from, to string, change func(string) string) {
		text, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), []byte(change(string(text))), 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	copyTo("version", "deploy/debian/version", func(text string) string { return text })
	return dir, func(number string) {
		copyTo("../../shared/version/version.go", "shared/version/version.go", func(text string) string {
			return strings.Replace(text, `"`+version.Number+`"`, `"`+number+`"`, 1)
		})
	}
}

// Each build is newer than the builds before it, tagged or not, in the order of dpkg. The build of
// a tag has the release's number. So has a build without git.
func TestVersionsAreOrdered(t *testing.T) {
	dir, number := checkout(t)
	run := func(line string) string {
		t.Helper()
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", line)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@localhost", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@localhost")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	number("1.2.0")
	if alone := run("deploy/debian/version"); alone != "1.2.0" {
		t.Errorf("the version without git is %s", alone)
	}
	versions := []string{"0.0.0+20261123.011534.gc4a326f"} // before version.go had a number
	run("git init -q .")
	for i, c := range []struct{ number, tag string }{
		{"1.2.0", ""}, {"1.2.0", ""}, {"1.2.0", "v1.2.0-rc1"}, {"1.2.0", ""}, {"1.2.0", "v1.2.0"}, {"1.2.0", ""}, {"1.2.0", ""}, {"1.10.0", ""}, {"1.10.0", "v1.10.0"},
	} {
		number(c.number)
		date := "2026-11-0" + string(rune('1'+i)) + "T00:00:00Z"
		run("GIT_COMMITTER_DATE=" + date + " git commit -q --allow-empty -m change")
		if c.tag != "" {
			run("git tag " + c.tag)
		}
		built := run("deploy/debian/version")
		if c.tag == "v"+c.number && built != c.number {
			t.Errorf("the build of the tag %s has the version %s", c.tag, built)
		}
		versions = append(versions, built)
	}
	t.Log(versions)
	for i := range versions[1:] {
		if err := exec.Command("dpkg", "--compare-versions", versions[i], "lt", versions[i+1]).Run(); err != nil {
			t.Errorf("%s is not before %s: %v", versions[i], versions[i+1], err)
		}
	}
}
