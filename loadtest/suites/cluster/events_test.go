package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/wire"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
	"github.com/thumbmill/thumbmill/shared/throttle"
	"github.com/thumbmill/thumbmill/shared/thumbnail"
)

// The tests here disturb a flight at each step of its path (docs/concepts.md), in that order.

// A wait that ends because the client leaves, or by queue_wait, gives back the flight's earlier
// places, at the coordinator too.
func TestAWaitThatIsCutOffLeaksNothing(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *settings.Settings) {
		s.Throttle.QueueWait = 1500 * time.Millisecond
		s.Throttle.PerOriginal = settings.Pool{Workers: 1, MaxQueue: 9, Timeout: 8 * time.Second}
	}})
	landscape(c, "a.jpg")
	release := c.Hooks.Hold()
	busy := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice)
	Eventually(t, "the original's place is taken", func() bool { return c.Hooks.Held() == 1 })
	ctx, leave := context.WithCancel(t.Context())
	gone := c.Go(ctx, c.Edges[0], "/unsafe/101x/a.jpg", bob)
	Eventually(t, "another size waits", func() bool { return c.Waiting(throttle.PerOriginal) == 1 })
	leave()
	<-gone
	Eventually(t, "its place in line is given up", func() bool { return c.Waiting(throttle.PerOriginal) == 0 })
	late := c.Get(t.Context(), c.Edges[0], "/unsafe/102x/a.jpg", bob)
	late.Wants(t, 429)
	if late.Header.Get("Thumbmill-Throttle") != "per-original" {
		t.Errorf("refused by %v", late.Header)
	}
	Eventually(t, "only the render's own slots are held", func() bool {
		return c.Held(throttle.Thumbnail) == 1 && c.Held(throttle.PerIP) == 1
	})
	release()
	(<-busy).Wants(t, 200)
	c.Get(t.Context(), c.Edges[0], "/unsafe/101x/a.jpg", bob).Wants(t, 200)
	if n := c.Edges[0].Metric(t, "thumbmill_throttle_decisions_total", "throttle", "local"); n != 0 {
		t.Errorf("%v requests passed a living coordinator", n)
	}
}

func TestAFullLaneIsARefusal(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	landscape(c, "b.jpg")
	release := c.Hooks.Hold()
	busy := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice)
	Eventually(t, "the slot is taken", func() bool { return c.Hooks.Held() == 1 })
	const bound = 100
	c.BoundLanes(bound)
	c.Fill(renderjob.LaneStandard, bound)
	a := c.Get(t.Context(), c.Edges[0], "/unsafe/100x/b.jpg", bob)
	a.Wants(t, 503)
	if a.Header.Get("Thumbmill-Throttle") != "lane" || a.Header.Get("Retry-After") == "" {
		t.Errorf("%q %v", a.Body, a.Header)
	}
	release()
	(<-busy).Wants(t, 200)
	Eventually(t, "the lane drains", func() bool { return c.Jobs() == 0 })
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/b.jpg", bob).Wants(t, 200)
}

// linked starts a cluster whose edge connects to NATS over a link.
func linked(t *testing.T, o Options) (*Cluster, *wire.Link) {
	var link *wire.Link
	o.EdgeNATS = func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		link = wire.New(t, u.Host)
		return "nats://" + link.Addr()
	}
	return Start(t, o), link
}

func TestALostAcknowledgementDoesNotRenderTwice(t *testing.T) {
	t.Parallel()
	c, link := linked(t, Options{})
	landscape(c, "a.jpg")
	conn, err := nats.Connect(c.Queue.URL())
	c.must(err)
	defer conn.Close()
	attempts, err := conn.SubscribeSync(renderjob.LaneStandard.Subject())
	c.must(err)
	c.must(conn.Flush())
	link.Mute()
	answer := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice)
	Eventually(t, "the thumbnail is rendered", func() bool { return c.Hooks.Puts() == 1 })
	for range 2 {
		if _, err := attempts.NextMsg(patience); err != nil {
			t.Fatalf("the edge does not publish the unacknowledged job again: %v", err)
		}
	}
	link.Thaw()
	(<-answer).Wants(t, 200)
	if n := c.Renders(); n != 1 {
		t.Errorf("%d renders", n)
	}
}

// stall stops a renderer's workers until goOn, so that a render takes that long.
func stall(t *testing.T, pids []int) (goOn func()) {
	signal := func(s syscall.Signal) {
		for _, pid := range pids {
			if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Error(err)
			}
		}
	}
	signal(syscall.SIGSTOP)
	t.Cleanup(func() { signal(syscall.SIGCONT) })
	return func() { signal(syscall.SIGCONT) }
}

func TestAWorkerThatDiesIsNoFaultOfTheOriginal(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true})
	landscape(c, "a.jpg")
	pids := c.Renderers[0].WorkerPIDs()
	stall(t, pids)
	answer := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice)
	Eventually(t, "the job is with a worker", func() bool { return c.busy() == 1 })
	for _, pid := range pids { // the worker with the job, and the others
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	(<-answer).Wants(t, 200)
}

// busy returns the number of taken slots of the first renderer, from its report to the coordinator.
func (c *Cluster) busy() int {
	if all := c.Throttles().Renderers; len(all) > 0 {
		return all[0].Busy
	}
	return 0
}

func TestAWorkerThatNeverEndsIsTheOriginalsFault(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) { s.Renderer.TimeLimit = 5 * time.Second }})
	landscape(c, "a.jpg")
	goOn := stall(t, c.Renderers[0].WorkerPIDs())
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice).Wants(t, 422)
	goOn() // the other workers
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice).Wants(t, 200)
}

func TestARendererThatDiesLosesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(programs.Build(t, programs.Renderer), "renderer")
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	landscape(c, "b.jpg")
	release := c.Hooks.Hold() // the renderer of this process is busy with a
	first := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice)
	Eventually(t, "the slot is taken", func() bool { return c.Hooks.Held() == 1 })

	cmd := exec.Command(path, "--admin-listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "THUMBMILL_NATS_URL="+string(c.Settings.NATS.URL), "THUMBMILL_RENDERER_SLOTS=1", "THUMBMILL_RENDERER_AHEAD=0",
		"THUMBMILL_STORE_ORIGINALS_PATH="+c.Settings.Store.Originals.Path, "THUMBMILL_STORE_THUMBNAILS_PATH="+filepath.Join(c.Dir, "elsewhere"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var workers []int
	Eventually(t, "the other renderer has its workers", func() bool { workers = workersOf(cmd.Process.Pid); return len(workers) == allWorkers })
	Eventually(t, "the other renderer pulls", func() bool { open, _ := c.Pulling(renderjob.LaneStandard); return open > 0 })
	for _, worker := range workers {
		if err := syscall.Kill(worker, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
	}
	second := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/b.jpg", alice)
	Eventually(t, "the other renderer has the second job", func() bool { return hasOpen(cmd.Process.Pid, "b.jpg") })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	release()
	(<-first).Wants(t, 200)
	(<-second).Wants(t, 200) // after AckWait, by the renderer of this process
	for _, worker := range workers {
		Eventually(t, "the dead renderer's workers are dead", func() bool { return commandLine(worker) == "" })
	}
}

// allWorkers is the number of workers of a renderer with one slot: one that draws, one for tools.
const allWorkers = 2

// hasOpen reports whether a process has a file of this name open.
func hasOpen(pid int, name string) bool {
	descriptors, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	return slices.ContainsFunc(descriptors, func(descriptor string) bool {
		file, _ := os.Readlink(descriptor)
		return filepath.Base(file) == name
	})
}

func workersOf(pid int) (workers []int) {
	for _, child := range processes.Children(pid) {
		if strings.Contains(commandLine(child), "thumbmill-worker") {
			workers = append(workers, child)
		}
	}
	return workers
}

func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(text)
}

func TestARendererThatDrainsHandsBackWhatItHasNotBegun(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Workers: true, Settings: func(s *settings.Settings) { s.Renderer.Ahead = 1 }})
	landscape(c, "a.jpg")
	landscape(c, "b.jpg")
	draining := c.Renderers[0]
	goOn := stall(t, draining.WorkerPIDs())
	first := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice)
	// The render has its original: otherwise the second job could overtake it.
	Eventually(t, "one renders", func() bool { return c.busy() == 1 })
	second := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/b.jpg", bob)
	Eventually(t, "one waits for its slot", func() bool { return draining.InHand() == 2 })
	stopped := make(chan error, 1)
	go func() { stopped <- draining.Stop(context.Background()) }()
	c.AddRenderer()
	(<-second).Wants(t, 200)
	goOn()
	(<-first).Wants(t, 200)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if n := c.Renders(); n != 2 {
		t.Errorf("%d renders", n)
	}
}

func TestALostResultIsFoundInTheStore(t *testing.T) {
	t.Parallel()
	c, link := linked(t, Options{})
	landscape(c, "a.jpg")
	release := c.Hooks.Hold()
	answer := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice)
	Eventually(t, "the render began", func() bool { return c.Hooks.Held() == 1 })
	link.Cut()
	release()
	Eventually(t, "the thumbnail is stored", func() bool { return c.Hooks.Puts() == 1 })
	Eventually(t, "its job is done", func() bool { return c.Jobs() == 0 })
	link.Mend()
	(<-answer).Wants(t, 200)
	if n := c.Renders(); n != 1 {
		t.Errorf("%d renders", n)
	}
}

func TestAStreamThatIsGoneIsMadeAgainWithItsJobs(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	landscape(c, "b.jpg")
	release := c.Hooks.Hold()
	first := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice)
	Eventually(t, "one is in hand", func() bool { return c.Hooks.Held() == 1 })
	second := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/b.jpg", bob)
	Eventually(t, "one is queued", func() bool { return c.Jobs() == 2 })
	c.Queue.Restart()
	Eventually(t, "the jobs are published again", func() bool { return c.Jobs() >= 1 })
	release()
	(<-first).Wants(t, 200)
	(<-second).Wants(t, 200)
}

// A stream that takes no jobs, and that nobody can mend, stands for servers that ended their JetStream.
func TestRenderersGetJobsWithoutTheQueue(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	landscape(c, "b.jpg")
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice).Wants(t, 200)
	c.inQueue(func(ctx context.Context, js jetstream.JetStream) error {
		other := jetstream.StreamConfig{Name: queue.Stream, Subjects: []string{"render.job.>"}, Storage: jetstream.FileStorage}
		err := js.DeleteStream(ctx, queue.Stream)
		if err == nil {
			_, err = js.CreateStream(ctx, other)
		}
		other.Sealed = true
		if err == nil {
			_, err = js.UpdateStream(ctx, other)
		}
		return err
	})
	for _, path := range []string{"/unsafe/100x/b.jpg", "/unsafe/120x/b.jpg", "/unsafe/140x/b.jpg"} {
		c.Get(t.Context(), c.Edges[0], path, alice).Wants(t, 200)
	}
	Eventually(t, "all are stored", func() bool { return c.Hooks.Puts() == 4 })
}

func TestCoordinatorsThatAreGone(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Coordinators: 2})
	for i := range 4 {
		landscape(c, fmt.Sprintf("%d.jpg", i))
	}
	e := c.Edges[0]
	c.Get(t.Context(), e, "/unsafe/100x/0.jpg", alice).Wants(t, 200)
	for _, co := range c.Coordinators {
		if err := co.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		before := e.Metric(t, "thumbmill_throttle_decisions_total", "throttle", "local")
		if before != 0 {
			t.Error("a request passed locally although a coordinator answered")
		}
		if co == c.Coordinators[0] {
			c.Get(t.Context(), e, "/unsafe/100x/1.jpg", alice).Wants(t, 200)
		}
	}
	c.Get(t.Context(), e, "/unsafe/100x/2.jpg", alice).Wants(t, 200)
	if n := e.Metric(t, "thumbmill_throttle_decisions_total", "throttle", "local"); n != 1 {
		t.Errorf("%v requests passed locally", n)
	}
}

// The edge's client also speaks to the original coordinator.
func TestPoolcounterdAsCoordinator(t *testing.T) {
	t.Parallel()
	address := servers.Poolcounterd(t)
	c := Start(t, Options{Edges: 2, Settings: func(s *settings.Settings) { s.Coordinator.Servers = []string{address} }})
	landscape(c, "a.tiff")
	release := c.Hooks.Hold()
	first := c.Go(t.Context(), c.Edges[0], "/unsafe/100x/a.tiff", alice)
	Eventually(t, "the first render began", func() bool { return c.Hooks.Held() == 1 })
	second := c.Go(t.Context(), c.Edges[1], "/unsafe/100x/a.tiff", bob)
	Eventually(t, "the second waits for the first", func() bool { return statistic(t, address, "waiting_workers") == "1" })
	release()
	(<-first).Wants(t, 200)
	(<-second).Wants(t, 200)
	if n := c.Renders(); n != 1 {
		t.Errorf("%d renders", n)
	}
}

// statistic returns one of poolcounterd's statistics.
func statistic(t *testing.T, address, name string) (value string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(conn, "STATS FULL\n"); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), name+": "); found {
			return value
		}
	}
	t.Fatalf("poolcounterd has no statistic %s", name)
	return ""
}

func TestAMemcachedThatIsGoneIsPassed(t *testing.T) {
	t.Parallel()
	address, kill := servers.StartMemcached(t, servers.FreeAddress(t))
	c := Start(t, Options{Settings: func(s *settings.Settings) { s.Memcached.Servers = []string{address} }})
	landscape(c, "a.jpg")
	c.Original("garbage.jpg", []byte("garbage"), nil)
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice).Wants(t, 200)
	before := c.Edges[0].Metric(t, "thumbmill_failure_memory_errors_total")
	kill()
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/garbage.jpg", alice).Wants(t, 422)
	if c.Edges[0].Metric(t, "thumbmill_failure_memory_errors_total") == before {
		t.Error("the error is not counted")
	}
}

func TestAnOriginalThatChangesUnderWayLeavesNoStaleThumbnail(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{})
	landscape(c, "a.jpg")
	c.Hooks.BeforePut = func(thumbnail.Location) error {
		if c.Hooks.Puts() == 1 {
			body, err := samples.JPEG(samples.Landscape(400, 400))
			c.Original("a.jpg", body, err)
		}
		return nil
	}
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice).Wants(t, 200)
	Eventually(t, "the flight ends", func() bool { return c.Edges[0].Metric(t, "thumbmill_flights") == 0 })
	if files, _ := filepath.Glob(filepath.Join(c.Settings.Store.Thumbnails.Path, "thumbor", "a.jpg", "*")); len(files) != 0 {
		t.Errorf("a stale thumbnail is kept: %v", files)
	}
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice).Wants(t, 200)
	if n := c.Renders(); n != 2 {
		t.Errorf("%d renders", n)
	}
}

func TestANewUploadReplacesTheOldPicture(t *testing.T) {
	t.Parallel()
	c := Start(t, Options{Settings: func(s *settings.Settings) { s.Edge.Revalidate = time.Nanosecond }})
	landscape(c, "a.jpg")
	c.Get(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice).Wants(t, 200)
	body, err := samples.JPEG(samples.Landscape(400, 400))
	c.Original("a.jpg", body, err)
	Eventually(t, "the new picture is served", func() bool {
		return c.Hooks.Puts() == 2 || c.Get(t.Context(), c.Edges[0], "/unsafe/100x/a.jpg", alice).Status != 200
	})
}
