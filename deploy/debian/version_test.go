package debian

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Each build is newer than those before it, tagged or not, as dpkg compares them.
func TestVersionsAreOrdered(t *testing.T) {
	dir := t.TempDir()
	script, err := os.ReadFile("version")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "version"), script, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
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
	versions := []string{run("./version")}
	run("git init -q .")
	for i, tag := range []string{"", "", "v1.2.0-rc1", "v1.2.0", "", "", "v1.10.0"} {
		date := "2026-11-0" + string(rune('1'+i)) + "T00:00:00Z"
		run("GIT_COMMITTER_DATE=" + date + " git commit -q --allow-empty -m change")
		if tag != "" {
			run("git tag " + tag)
		}
		versions = append(versions, run("./version"))
	}
	t.Log(versions)
	for i := range versions[1:] {
		if err := exec.Command("dpkg", "--compare-versions", versions[i], "lt", versions[i+1]).Run(); err != nil {
			t.Errorf("%s is not before %s: %v", versions[i], versions[i+1], err)
		}
	}
}
