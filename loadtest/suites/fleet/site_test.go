package fleet

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sync/errgroup"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

const (
	startWithin = 2 * time.Minute // on a busy machine
	originals   = 6000            // each miss has its own, so that no renders share one
)

// site is an edge, a coordinator and a NATS server in processes of their own, and the renderers' process.
type site struct {
	t                testing.TB
	dir, base        string
	queue            *servers.NATS
	coordinator      *servers.Coordinator
	edge, renderers  int
	endRenderers     func()
	client           *http.Client
	asked            atomic.Int64
	slots, instances int
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), queue: servers.StartNATS(t), coordinator: servers.StartCoordinator(t), client: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: time.Minute,
	}}
	t.Cleanup(s.client.CloseIdleConnections)
	s.drawOriginals()
	s.startEdge()
	return s
}

// drawOriginals stores one small photograph under many names.
func (s *site) drawOriginals() {
	body, err := samples.JPEG(samples.Landscape(320, 240))
	dir := filepath.Join(s.dir, "originals")
	if err == nil {
		err = errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "0.jpg"), body, 0o600))
	}
	for i := 1; err == nil && i < originals; i++ {
		err = os.Link(filepath.Join(dir, "0.jpg"), filepath.Join(dir, fmt.Sprint(i, ".jpg")))
	}
	s.must(err)
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// startEdge starts the edge. Each request comes from a client of its own, which X-Forwarded-For names.
func (s *site) startEdge() {
	address := servers.FreeAddress(s.t)
	cmd := exec.Command(filepath.Join(programs.Build(s.t, programs.Edge), "edge"))
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+s.dir, "XDG_RUNTIME_DIR="+s.dir, "THUMBMILL_LOG_LEVEL=error", "THUMBMILL_ADMIN_LISTEN=127.0.0.1:0",
		"THUMBMILL_EDGE_LISTEN="+address, "THUMBMILL_EDGE_ALLOW_UNSAFE=true", "THUMBMILL_EDGE_TRUSTED_PROXIES=127.0.0.1", "THUMBMILL_NATS_URL="+s.queue.URL(),
		"THUMBMILL_COORDINATOR_SERVERS="+s.coordinator.Address, "THUMBMILL_THROTTLE_QUEUE_WAIT=30s",
		"THUMBMILL_STORE_ORIGINALS_PATH="+filepath.Join(s.dir, "originals"), "THUMBMILL_STORE_THUMBNAILS_PATH="+filepath.Join(s.dir, "thumbnails"))
	cmd.Stderr = os.Stderr
	ended, err := servers.Launch(cmd)
	s.must(err)
	s.t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); <-ended })
	s.edge, s.base = cmd.Process.Pid, "http://"+address
}

// renderWith replaces the renderers, and returns when thumbnails come.
func (s *site) renderWith(instances, slots int) {
	s.t.Helper()
	s.instances, s.slots = instances, slots
	all := s.startRenderers(instances, slots)
	s.renderers, s.endRenderers = all.PID(), all.End
	all.AwaitStart(startWithin)
	// The lane refuses some of these requests until heartbeats have told its size.
	if !eventually.Succeeds(s.t, startWithin, "the site renders", func() error { return s.drive(2*instances*slots, s.miss) }) {
		s.t.FailNow()
	}
}

// miss requests a new thumbnail.
func (s *site) miss() error {
	i := int(s.asked.Add(1))
	return s.get(fmt.Sprintf("/unsafe/%dx/%d.jpg", 20+i/originals, i%originals), i)
}

// hit requests a stored thumbnail.
func (s *site) hit() error { return s.get("/unsafe/20x/1.jpg", 1) }

func (s *site) get(path string, client int) error {
	request, err := http.NewRequest(http.MethodGet, s.base+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("X-Forwarded-For", fmt.Sprintf("10.%d.%d.%d", client>>16&255, client>>8&255, client&255))
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %s", path, response.Status, strings.TrimSpace(string(body)))
	}
	return err
}

// full is the number of requests under way for each slot when all slots are busy: as many as the lane has places.
const full = 1.5

// drive sends n requests, and returns the first error. As many as full are under way.
func (s *site) drive(n int, ask func() error) error { return s.driveAt(full, n, ask) }

// driveAt is drive with another number of requests under way for each slot.
func (s *site) driveAt(load float64, n int, ask func() error) error {
	var left atomic.Int64
	left.Store(int64(n))
	var all errgroup.Group
	for range max(1, int(load*float64(s.slots*s.instances))) {
		all.Go(func() error {
			for left.Add(-1) >= 0 {
				if err := ask(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return all.Wait()
}

// used has the processor time of the roles, and the bytes that the NATS server read and wrote.
type used struct {
	edge, coordinator, nats, renderers time.Duration
	bytes                              uint64
}

func (s *site) used() (u used) {
	of := func(pid int) time.Duration { own, _ := processes.Time(pid); return own }
	u = used{of(s.edge), of(s.coordinator.PID()), of(s.queue.PID()), of(s.renderers), 0}
	p, err := procfs.NewProc(s.queue.PID())
	s.must(err)
	io, err := p.IO()
	s.must(err)
	u.bytes = io.RChar + io.WChar
	return u
}

func (u used) less(v used) used {
	return used{u.edge - v.edge, u.coordinator - v.coordinator, u.nats - v.nats, u.renderers - v.renderers, u.bytes - v.bytes}
}

// over returns a part of a use.
func (u used) over(n float64) used {
	part := func(d time.Duration) time.Duration { return time.Duration(float64(d) / n) }
	return used{part(u.edge), part(u.coordinator), part(u.nats), part(u.renderers), uint64(float64(u.bytes) / n)}
}

// sockets returns the number of a process's sockets.
func sockets(t testing.TB, pid int) (n int) {
	t.Helper()
	p, err := procfs.NewProc(pid)
	if err != nil {
		t.Fatal(err)
	}
	targets, err := p.FileDescriptorTargets()
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range targets {
		if strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}
