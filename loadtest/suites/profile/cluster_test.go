package profile

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

const (
	connections = 8
	originals   = 40 // many, so that few misses of the same original wait together
	large       = 16 // of 24 megapixels
	widest      = 400
	narrowest   = 50
)

// cluster is a running `thumbmill serve`.
type cluster struct {
	name, base string
	pid        int
	debug      *http.Client // for its debugging socket
	asked      atomic.Int64
}

// clusters starts this tree's cluster, and an older one if OLDER names it.
func clusters(b *testing.B) []*cluster {
	b.Helper()
	this := program(b)
	// All requests come from one exempt address, and no wait is limited.
	unlimited := []string{"THUMBMILL_THROTTLE_EXEMPT=127.0.0.0/8", "THUMBMILL_THROTTLE_QUEUE_WAIT=1m"}
	all := []*cluster{start(b, "this", this, unlimited...)}
	if older := os.Getenv("OLDER"); older != "" {
		all = append(all, start(b, "older", older, unlimited...))
	}
	return all
}

// program returns the program that THUMBMILL names, or this tree's.
func program(b *testing.B) string {
	b.Helper()
	if named := os.Getenv("THUMBMILL"); named != "" {
		return named
	}
	return filepath.Join(programs.Build(b, programs.Thumbmill), "thumbmill")
}

// start runs a cluster with settings until the benchmark ends.
func start(b *testing.B, name, program string, settings ...string) *cluster {
	b.Helper()
	dir, address := b.TempDir(), servers.FreeAddress(b)
	drawOriginals(b, filepath.Join(dir, "originals"))
	cmd := exec.Command(program, "serve", "--listen", address, "--admin-listen", "127.0.0.1:0", "--coordinator-listen", "127.0.0.1:0",
		"--originals", filepath.Join(dir, "originals"), "--thumbnails", filepath.Join(dir, "thumbnails"))
	cmd.Env = append(append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "XDG_CONFIG_HOME="+dir, "THUMBMILL_LOG_LEVEL=warn"), settings...)
	cmd.Stderr = os.Stderr
	ended, err := servers.Launch(cmd)
	must(b, err)
	b.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); <-ended })
	c := &cluster{name: name, base: "http://" + address, pid: cmd.Process.Pid, debug: overSocket(dir)}
	if !eventually.Succeeds(b, time.Minute, program+" answers", func() error { return c.ask(http.DefaultClient) }) {
		b.FailNow()
	}
	c.drive(b, 2*connections)
	return c
}

// drawOriginals stores one photograph of usual proportions under many names, and a large one.
func drawOriginals(b *testing.B, dir string) {
	b.Helper()
	body, err := samples.JPEG(samples.Landscape(1600, 1200))
	must(b, err)
	must(b, os.MkdirAll(dir, 0o755))
	for i := range originals {
		must(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.jpg", i)), body, 0o644))
	}
	body, err = samples.JPEG(samples.Landscape(6000, 4000))
	must(b, err)
	for i := range large {
		must(b, os.WriteFile(filepath.Join(dir, fmt.Sprintf("large-%d.jpg", i)), body, 0o644))
	}
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// overSocket returns a client of the only debugging socket in the folder.
func overSocket(dir string) *http.Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		sockets, err := filepath.Glob(filepath.Join(dir, "thumbmill", "*.sock"))
		if err != nil || len(sockets) != 1 {
			return nil, fmt.Errorf("%d sockets in %s: %w", len(sockets), dir, err)
		}
		return (&net.Dialer{}).DialContext(ctx, "unix", sockets[0])
	}
	return &http.Client{Transport: &http.Transport{DialContext: dial}}
}

// drive requests missing thumbnails over several connections.
func (c *cluster) drive(b *testing.B, n int) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	defer client.CloseIdleConnections()
	var left atomic.Int64
	left.Store(int64(n))
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			for left.Add(-1) >= 0 {
				if err := c.ask(client); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// ask requests a new thumbnail: every width of each original, then again with another quality.
func (c *cluster) ask(client *http.Client) error {
	i := int(c.asked.Add(1))
	nth := i / originals
	url := fmt.Sprintf("%s/unsafe/%dx/filters:quality(%d)/%d.jpg", c.base, narrowest+nth%(widest-narrowest), 80-nth/(widest-narrowest), i%originals)
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %s", url, response.Status, strings.TrimSpace(string(body)))
	}
	return err
}

// get sends a request to the debugging socket.
func (c *cluster) get(path string) ([]byte, error) {
	response, err := c.debug.Get("http://process" + path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(response.Body)
}
