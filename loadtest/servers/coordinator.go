package servers

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Coordinator is a coordinator of ours as a process that a test can signal.
type Coordinator struct {
	Address string
	t       testing.TB
	binary  string
	env     []string
	cmd     *exec.Cmd
}

// StartCoordinator builds and starts one, with more variables in its environment,
// which ends with the test.
func StartCoordinator(t testing.TB, env ...string) *Coordinator {
	t.Helper()
	return StartCoordinatorAt(t, FreeAddress(t), env...)
}

// StartCoordinatorAt starts one at an address.
func StartCoordinatorAt(t testing.TB, address string, env ...string) *Coordinator {
	t.Helper()
	c := &Coordinator{t: t, Address: address, env: env, binary: filepath.Join(t.TempDir(), "coordinator")}
	build := exec.Command("go", "build", "-o", c.binary, "github.com/thumbmill/thumbmill/coordinator/cmd/coordinator")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Cleanup(c.Kill)
	c.Start()
	return c
}

// Start starts it again, at the same address.
func (c *Coordinator) Start() {
	c.t.Helper()
	c.cmd = exec.Command(c.binary, "--listen", c.Address, "--admin-listen", "127.0.0.1:0", "--print-addresses")
	c.cmd.Env = append(os.Environ(), c.env...)
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || !strings.Contains(line, c.Address) {
		c.t.Fatalf("the coordinator says %q: %v", line, err)
	}
}

// Kill ends it at once, as SIGKILL does.
func (c *Coordinator) Kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

// Stop keeps it from running, and Continue lets it.
func (c *Coordinator) Stop() { _ = c.cmd.Process.Signal(syscall.SIGSTOP) }

// Continue undoes Stop.
func (c *Coordinator) Continue() { _ = c.cmd.Process.Signal(syscall.SIGCONT) }
