package coordinator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/operators"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// viewing names the server in the process that has the viewers: their processor time is not the
// coordinator's.
const viewing = "THUMBMILL_TEST_VIEWERS"

const viewers = 1000

// watchAll watches the stream with all viewers until the standard input ends.
func watchAll(url string) {
	ctx, cancel := context.WithCancel(context.Background())
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	var group sync.WaitGroup
	for range viewers {
		group.Go(func() {
			periodic.Do(ctx, time.Second, func(ctx context.Context) { watchOne(ctx, transport, url) }) // a probe of the test may take a place
		})
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	group.Wait()
}

// watchOne watches the stream, as the operators' page does, until it ends.
func watchOne(ctx context.Context, transport *http.Transport, url string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+operators.ThrottlesStream+"?pools=50", nil)
	if err != nil {
		return
	}
	if response, err := transport.RoundTrip(request); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		_ = response.Body.Close()
	}
}

// A thousand viewers of a busy coordinator's stream take less than a tenth of a core from it.
func TestAThousandViewers(t *testing.T) {
	if url := os.Getenv(viewing); url != "" {
		watchAll(url)
		return
	}
	if testing.Short() || raceEnabled {
		t.Skip("the test measures processor time, which the race detector multiplies")
	}
	c := start(t, settings.Coordinator{})
	e := connect(t, c.Addr(), "edge", "", lease.Rule{Name: "per-ip", Workers: 1, MaxQueue: 9})
	for id := range uint64(300) { // more than are in a report
		e.ask(lease.KindAcquire, id, fmt.Sprintf("ip:198.51.%d.%d", id/250, id%250))
		e.hears(id, lease.KindGranted)
	}
	server := httptest.NewServer(c.API())
	defer server.Close()
	child := exec.Command(os.Args[0], "-test.run=^TestAThousandViewers$")
	child.Env = append(os.Environ(), viewing+"="+server.URL)
	in, err := child.StdinPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = child.Wait() }()
	eventually.Holds(t, time.Minute, "all viewers watch", func() bool { return full(server.URL) })
	for range 5 { // other programs disturb a measurement
		share := processorShare(3 * time.Second)
		t.Logf("%d viewers take %.1f %% of a core", viewers, 100*share)
		if share < .1 {
			return
		}
	}
	t.Error("the viewers take more than a tenth of a core")
}

// full reports whether the coordinator has no stream for one more viewer.
func full(url string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+operators.ThrottlesStream, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusServiceUnavailable
}

// processorShare returns the share of a core that this process takes for some time.
func processorShare(during time.Duration) float64 {
	used := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail for this process
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before, began := used(), time.Now()
	time.Sleep(during) // the measured time
	return float64(used()-before) / float64(time.Since(began))
}
