package main

import (
	"os/exec"
	"strings"
	"testing"
)

func TestABadAddressEndsTheCoordinator(t *testing.T) {
	out, err := exec.Command("go", "run", ".", "--listen", "256.0.0.1:1", "--admin-listen", "127.0.0.1:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "coordinator.listen") {
		t.Errorf("%v\n%s", err, out)
	}
}
