package emulated

import (
	"archive/tar"
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/hostile"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/photograph"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

const (
	root = "../../.."
	side = 5000 // of an original whose pixels do not fit into the limits that the script inside sets
)

// TestOnItsOwnKernel runs the script inside on the emulated machine, and compares its results.
func TestOnItsOwnKernel(t *testing.T) {
	home := available(t)
	results := boot(t, home, archive(t))
	for name, want := range wanted() {
		if !regexp.MustCompile("^(?:" + want + ")$").MatchString(results[name]) {
			t.Errorf("%s is %q, want %s", name, results[name], want)
		}
	}
}

func available(t *testing.T) (home string) {
	t.Helper()
	home = os.Getenv("THUMBMILL_EMULATED")
	if home == "" {
		t.Skip("the emulated machine runs only in `make test-emulated`")
	}
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		t.Skip("qemu-system-x86 is not installed: run `make test-emulated`")
	}
	for _, file := range []string{"disk/disk", "thumbmill.tar"} {
		if _, err := os.Stat(filepath.Join(home, file)); err != nil {
			t.Skipf("%v: run `make test-emulated`", err)
		}
	}
	return home
}

// wanted returns the expected results of the script inside, as regular expressions.
func wanted() map[string]string {
	const ok, some, all = "200", "[1-9][0-9]*", `layers="?\[no_new_privs rlimits landlock seccomp\]"?.*`
	return map[string]string{
		"groups": "cgroup2fs", "apparmor": "Y", "engine.groups": "2 systemd", "done": "yes",

		// The unit gives each worker a group with a limit. At the limit the kernel kills that worker alone.
		"unit.layers": `\[cgroup no_new_privs rlimits user landlock seccomp\]`, "unit.workers": some, "unit.limits": "3221225472 ",
		"unit.next": ok, "unit.huge": "200|5[0-9][0-9]", "unit.killed": some, "unit.same": "yes", "unit.after": ok, "unit.stopped": "success",

		"defaults.profile": `docker-default \(enforce\)`, "defaults.layers": all, "defaults.next": ok, "defaults.code": "0",
		"compose.profile": `docker-default \(enforce\)`, "compose.layers": all, "compose.next": ok, "compose.code": "0", "compose.nice": "1",
		"container.huge": "200|5[0-9][0-9]", "container.killed": some, "container.same": "yes", "container.after": ok,
	}
}

// archive returns the second disk: the script, the package, the profile of system calls and originals.
func archive(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	build := exec.Command("deploy/debian/build", filepath.Join(dir, "packages"), "1.0.0")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	picture, err := photograph.JPEG(800, 600, 1)
	if err != nil {
		t.Fatal(err)
	}
	packages, _ := filepath.Glob(filepath.Join(dir, "packages", "thumbmill_*.deb"))
	if len(packages) != 1 {
		t.Fatalf("the packages are %v", packages)
	}
	files := map[string][]byte{"originals/huge.tga": hostile.Targa(side), "originals/next.jpg": picture}
	for name, path := range map[string]string{"inside": "inside", "seccomp.json": root + "/deploy/docker/seccomp.json", filepath.Base(packages[0]): packages[0]} {
		if files[name], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "archive.tar")
	if err := os.WriteFile(path, pack(t, files), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func pack(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, content := range files {
		err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))})
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// boot runs the machine until it turns itself off, and returns the results that it printed.
func boot(t *testing.T, home, archive string) map[string]string {
	t.Helper()
	drive := func(file, more string) []string {
		return []string{"-drive", "if=virtio,format=raw,file=" + file + more}
	}
	words := []string{"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "3072", "-nographic", "-no-reboot", "-nic", "none",
		"-kernel", home + "/disk/kernel", "-initrd", home + "/disk/initrd", "-append", "root=/dev/vda rw console=ttyS0 quiet"}
	words = append(words, drive(home+"/disk/disk", ",snapshot=on")...)
	words = append(words, drive(archive, ",readonly=on")...)
	words = append(words, drive(home+"/thumbmill.tar", ",readonly=on")...)
	cmd := exec.Command("nice", append([]string{"qemu-system-x86_64"}, words...)...)
	console, output := io.Pipe()
	cmd.Stdout, cmd.Stderr = output, output
	ended, err := servers.Launch(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	go func() { <-ended; _ = output.Close() }()
	results := map[string]string{}
	for lines := bufio.NewScanner(console); lines.Scan(); {
		t.Log(lines.Text())
		if _, line, found := strings.Cut(lines.Text(), "RESULT "); found {
			name, value, _ := strings.Cut(strings.TrimRight(line, "\r"), " ")
			results[name] = value
		}
	}
	return results
}
