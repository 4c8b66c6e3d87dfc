package sandbox

import (
	"os/exec"
	"runtime"
	"time"
)

// Run runs a program to its end. It kills the program after within, if that is not 0, and reports whether it did; the error
// is the one of Wait, or of Start. A process that has entered its sandbox cannot leave this to exec.CommandContext: each of
// its threads has a domain of Landlock of its own, which its programs inherit, and since Linux 6.12 the kernel refuses signals
// of any other thread. Run starts and kills the program in one thread.
func Run(cmd *exec.Cmd, within time.Duration) (killed bool, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return false, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var limit <-chan time.Time
	if within > 0 {
		limit = time.After(within)
	}
	select {
	case err = <-ended:
		return false, err
	case <-limit:
		_ = cmd.Process.Kill() // fails only if the program has ended
		return true, <-ended
	}
}
