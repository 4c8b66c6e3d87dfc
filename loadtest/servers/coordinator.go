package servers

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// Coordinator is a coordinator of ours as a process that a test can signal.
type Coordinator struct {
	Address string
	Admin   string // URL of its operators' listener
	t       testing.TB
	binary  string
	env     []string
	cmd     *exec.Cmd
	ended   <-chan struct{}
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
	c.cmd.Env = append(append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Dir(c.binary)), c.env...)
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		c.ended, err = Launch(c.cmd)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	var addresses struct{ Coordinator, Admin string }
	if err := json.NewDecoder(out).Decode(&addresses); err != nil || addresses.Coordinator != c.Address {
		c.t.Fatalf("the coordinator says %+v: %v", addresses, err)
	}
	c.Admin = addresses.Admin
}

// Kill ends it at once, as SIGKILL does.
func (c *Coordinator) Kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
}

// Stop keeps it from running, and Continue lets it.
func (c *Coordinator) Stop() { _ = c.cmd.Process.Signal(syscall.SIGSTOP) }

// Continue undoes Stop.
func (c *Coordinator) Continue() { _ = c.cmd.Process.Signal(syscall.SIGCONT) }
