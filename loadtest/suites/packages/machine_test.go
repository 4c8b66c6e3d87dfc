package packages

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/namespace"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

const (
	roots  = "/var/tmp/thumbmill-systemd" // of Debians, which stay for the next run
	boots  = time.Minute
	starts = time.Minute // a service
)

// machine is a Debian with systemd as process 1, in namespaces of its own.
type machine struct {
	t       *testing.T
	name    string // of its Debian
	address string
	init    string // number of its process 1 outside
	folder  string // its changes to the root file system
}

func boot(t *testing.T, network *namespace.Network, name, suite, address string) *machine {
	t.Helper()
	root := filepath.Join(roots, suite)
	if out, err := exec.Command("./root", suite, root).CombinedOutput(); err != nil {
		t.Skipf("cannot make the root file system of %s: %v\n%s", suite, err, out)
	}
	m := &machine{t: t, name: suite, address: address, folder: t.TempDir()}
	network.Join(name, address+"/24")
	m.write("etc/hostname", name+"\n")
	m.write("etc/hosts", "127.0.0.1 localhost "+name+"\n")
	var output bytes.Buffer
	cmd := exec.Command("./boot", root, m.folder, network.Name(name))
	cmd.Stdout, cmd.Stderr = &output, &output
	ended, err := servers.Launch(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		groups := "find $(findmnt --noheadings --types cgroup2 --output TARGET | head -1)/" + network.Name(name) + " -depth -type d -exec rmdir {} +"
		eventually.Succeeds(t, starts, "the machine's control groups are gone", func() error { return exec.Command("sh", "-c", groups).Run() })
	})
	if !eventually.Succeeds(t, boots, suite+" boots", func() error { return m.booted(cmd.Process.Pid) }) {
		t.Fatalf("%s says %q", suite, output.String())
	}
	return m
}

// booted returns nil when systemd has started all its units.
func (m *machine) booted(parent int) error {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", parent, parent))
	if err != nil {
		return err
	}
	if m.init = strings.TrimSpace(string(children)); m.init == "" {
		return fmt.Errorf("%s has no process 1", m.name)
	}
	out, err := m.command("systemctl", "is-system-running").CombinedOutput()
	if err != nil {
		failed, _ := m.command("systemctl", "--failed", "--no-legend").CombinedOutput()
		err = fmt.Errorf("%w: %s %s", err, out, failed)
	}
	return err
}

// write writes a file before the machine boots.
func (m *machine) write(path, text string) {
	m.t.Helper()
	path = filepath.Join(m.folder, "upper", path)
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o644)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// command makes a command that runs on the machine.
func (m *machine) command(words ...string) *exec.Cmd {
	inside := []string{"--target", m.init, "--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--root", "--wd"}
	environment := []string{"env", "-i", "PATH=/usr/bin:/usr/sbin:/bin:/sbin", "LANG=C.UTF-8"}
	return exec.Command("nsenter", append(append(inside, environment...), words...)...)
}

// run runs a command to its end, and returns its output. Standard input is empty: a command that asks
// a question fails.
func (m *machine) run(words ...string) string {
	m.t.Helper()
	out, err := m.command(words...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("%s: %s: %v\n%s", m.name, strings.Join(words, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// put writes a file of the running machine.
func (m *machine) put(path, text string) {
	m.t.Helper()
	cmd := m.command("sh", "-c", "cat > "+path)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		m.t.Fatalf("%s: write %s: %v %s", m.name, path, err, out)
	}
}

// property returns a property of a service.
func (m *machine) property(service, name string) string {
	m.t.Helper()
	return m.run("systemctl", "show", "--value", "--property", name, service)
}
