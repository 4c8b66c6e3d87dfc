package capacity

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The simulator does not simulate other programs, or other machines on the same host. If their
// share is above these bounds, a run measures them instead of the cluster.
const (
	stolenShare  = 0.1  // of the processors, taken by the host
	stalledShare = 0.02 // of the time, when no timer of this process ran
	tick         = 2 * time.Millisecond
	late         = 5 * time.Millisecond // later ticks are stalls
)

// machine measures the share of other programs and machines.
type machine struct {
	began       time.Time
	stolen      time.Duration
	stalled     time.Duration
	stop        chan struct{}
	stallsEnded sync.WaitGroup
}

func watch(t *testing.T) *machine {
	t.Helper()
	m := &machine{began: time.Now(), stolen: stolen(t), stop: make(chan struct{})}
	m.stallsEnded.Go(m.stalls)
	return m
}

func (m *machine) stalls() {
	for {
		began := time.Now()
		select {
		case <-m.stop:
			return
		case <-time.After(tick):
		}
		if over := time.Since(began) - tick; over > late {
			m.stalled += over
		}
	}
}

// disturbed ends the measurement, describes it, and reports whether a share is above its bound.
func (m *machine) disturbed(t *testing.T) (what string, much bool) {
	t.Helper()
	close(m.stop)
	m.stallsEnded.Wait()
	took := time.Since(m.began)
	others := float64(stolen(t)-m.stolen) / float64(took) / float64(runtime.NumCPU())
	stalled := float64(m.stalled) / float64(took)
	return fmt.Sprintf("the host took %.1f %% of the processors, and for %.1f %% of the time nothing ran", 100*others, 100*stalled),
		others > stolenShare || stalled > stalledShare
}

const (
	quietFor   = 5 * time.Second
	quietAfter = 5 * time.Minute // at the latest
)

// awaitQuiet waits until the machine is quiet for quietFor, at most quietAfter.
func awaitQuiet(t *testing.T) {
	t.Helper()
	for began := time.Now(); time.Since(began) < quietAfter; {
		w := watch(t)
		time.Sleep(quietFor) // the time of the measurement
		if _, much := w.disturbed(t); !much {
			return
		}
	}
}

// stolen returns the time of all processors that the host gave to other machines (proc(5),
// /proc/stat, in hundredths of a second).
func stolen(t *testing.T) time.Duration {
	t.Helper()
	file, err := os.Open("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	line, err := bufio.NewReader(file).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	ticks, err := strconv.ParseInt(strings.Fields(line)[8], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ticks) * time.Second / 100
}
