package profile

import (
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
)

// used has the resources that a cluster has used since its start.
type used struct {
	front, workers          time.Duration
	faults                  uint64 // minor page faults of the front
	switches                uint64 // of its threads
	bytesRead, bytesWritten uint64 // by system calls, including sockets
}

func (u used) less(v used) used {
	return used{
		u.front - v.front, u.workers - v.workers, u.faults - v.faults, u.switches - v.switches,
		u.bytesRead - v.bytesRead, u.bytesWritten - v.bytesWritten,
	}
}

func (c *cluster) read(b *testing.B) (u used) {
	b.Helper()
	front, err := procfs.NewProc(c.pid)
	must(b, err)
	u.front, u.workers = processes.Time(c.pid)
	for _, worker := range processes.Below(c.pid) {
		own, children := processes.Time(worker)
		u.workers += own + children
	}
	u.faults = uint64(processes.Stat(c.pid).MinFlt)
	io, err := front.IO()
	must(b, err)
	u.bytesRead, u.bytesWritten = io.RChar, io.WChar
	threads, err := procfs.AllThreads(c.pid)
	must(b, err)
	for _, thread := range threads {
		if status, err := thread.NewStatus(); err == nil { // an error means that the thread has ended
			u.switches += status.TotalCtxtSwitches()
		}
	}
	return u
}

// memory returns the front's PSS in MB.
func (c *cluster) memory() float64 { return float64(processes.PSS(c.pid)) / (1 << 20) }
