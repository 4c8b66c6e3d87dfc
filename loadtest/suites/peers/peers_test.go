package peers

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// The versions that are compared; both are built as their authors have them built, with this
// machine's libvips.
const (
	imagor, imagorVersion       = "github.com/cshum/imagor/cmd/imagor", "v1.4.17"
	imaginary, imaginaryVersion = "github.com/h2non/imaginary", "v1.2.4"
)

const (
	clients    = 4
	thumbnails = 120 // of each round
	rounds     = 5
	photos     = 12
)

// contestant is a server under test. Its URL has an original's number and a width.
type contestant struct {
	name    string
	url     string
	process *exec.Cmd

	rates, tails, ratios, sizes []float64
	memory                      float64 // MB, at most
}

// BenchmarkPeers prints thumbnails a second of originals at hand, none of which anybody asked
// for before, with the rate as a ratio of imagor's in the same round: medians of rounds in turns.
func BenchmarkPeers(b *testing.B) {
	dir := b.TempDir()
	draw(b, dir)
	all := []*contestant{startImagor(b, dir), startImaginary(b, dir), startThumbmill(b, dir)}
	width := 200
	for range rounds {
		for _, c := range all {
			c.round(b, width)
		}
		for _, c := range all {
			c.ratios = append(c.ratios, c.rates[len(c.rates)-1]/all[0].rates[len(all[0].rates)-1])
		}
		width += thumbnails // which nobody has kept
	}
	fmt.Printf("\n%d clients, %d rounds of %d thumbnails\n\n| server | thumbnails/s | ratio | p95 ms | KB each | memory MB |\n|---|---|---|---|---|---|\n", clients, rounds, thumbnails)
	for _, c := range all {
		fmt.Printf("| %s | %.1f | %.2f | %.0f | %.1f | %.0f |\n", c.name, median(c.rates), median(c.ratios), median(c.tails), median(c.sizes), c.memory)
	}
	b.ReportMetric(0, "ns/op")
}

// draw makes photos of eight megapixels.
func draw(b *testing.B, dir string) {
	b.Helper()
	photo, err := samples.JPEG(samples.Landscape(3264, 2448))
	if err != nil {
		b.Fatal(err)
	}
	for i := range photos {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("photo%d.jpg", i)), photo, 0o600); err != nil {
			b.Fatal(err)
		}
	}
}

// install builds a program of another module, in a module of its own.
func install(b *testing.B, program, version string) string {
	b.Helper()
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module peer\n"), 0o600); err != nil {
		b.Fatal(err)
	}
	binary := filepath.Join(dir, "server")
	for _, args := range [][]string{{"get", program + "@" + version}, {"build", "-o", binary, program}} {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("go %v: %v\n%s", args, err, out)
		}
	}
	return binary
}

func startImagor(b *testing.B, dir string) *contestant {
	address := servers.FreeAddress(b)
	_, port, _ := strings.Cut(address, ":")
	process := start(b, address, install(b, imagor, imagorVersion), "-port", port, "-imagor-unsafe", "-file-loader-base-dir", dir)
	return &contestant{name: "imagor", url: "http://" + address + "/unsafe/%[2]dx0/photo%[1]d.jpg", process: process}
}

func startImaginary(b *testing.B, dir string) *contestant {
	address := servers.FreeAddress(b)
	_, port, _ := strings.Cut(address, ":")
	process := start(b, address, install(b, imaginary, imaginaryVersion), "-p", port, "-mount", dir)
	return &contestant{name: "imaginary", url: "http://" + address + "/resize?file=photo%[1]d.jpg&width=%[2]d", process: process}
}

func startThumbmill(b *testing.B, dir string) *contestant {
	bin := filepath.Join(b.TempDir(), "thumbmill")
	if out, err := exec.Command("go", "build", "-o", bin, "../../..").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	address := servers.FreeAddress(b)
	process := start(b, address, bin, "serve", "--listen", address, "--admin-listen", "127.0.0.1:0", "--coordinator-listen", "127.0.0.1:0",
		"--originals", dir, "--thumbnails", filepath.Join(dir, "thumbnails"))
	return &contestant{name: "thumbmill", url: "http://" + address + "/unsafe/%[2]dx/photo%[1]d.jpg", process: process}
}

// start runs a server until the benchmark's end.
func start(b *testing.B, address, program string, args ...string) *exec.Cmd {
	b.Helper()
	cmd := exec.Command(program, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	ended, err := servers.Launch(cmd)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	answers := eventually.Succeeds(b, 20*time.Second, program+" answers", func() error {
		response, err := http.Get("http://" + address + "/healthcheck")
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	})
	if !answers {
		b.Fatal(said.String())
	}
	return cmd
}

// round asks for so many thumbnails, as fast as so many clients get them.
func (c *contestant) round(b *testing.B, width int) {
	b.Helper()
	times, sizes := make([]float64, thumbnails), make([]float64, thumbnails)
	var next atomic.Int64
	var group sync.WaitGroup
	over := make(chan struct{})
	watched := make(chan struct{})
	go func() { defer close(watched); c.watch(over) }()
	began := time.Now()
	for range clients {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < thumbnails; i = int(next.Add(1)) - 1 {
				asked := time.Now()
				n, err := get(fmt.Sprintf(c.url, i%photos, width+i))
				if err != nil {
					b.Errorf("%s: %v", c.name, err)
				}
				times[i], sizes[i] = time.Since(asked).Seconds(), float64(n)/1024
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	close(over)
	<-watched
	slices.Sort(times)
	c.rates = append(c.rates, thumbnails/took.Seconds())
	c.tails = append(c.tails, 1000*times[thumbnails*95/100])
	c.sizes = append(c.sizes, median(sizes))
}

func get(url string) (int, error) {
	response, err := http.Get(url)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return int(n), err
}

// watch keeps the most memory that the server has, with its children: of pages that several
// share, each has its part.
func (c *contestant) watch(over <-chan struct{}) {
	for {
		kb := 0.0
		for _, pid := range family(c.process.Process.Pid) {
			text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) // it may have ended
			if _, rest, found := strings.Cut(string(text), "\nPss:"); found {
				n, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
				kb += n
			}
		}
		c.memory = max(c.memory, kb/1024)
		select {
		case <-over:
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func family(pid int) []int {
	all := []int{pid}
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(text)) {
			child, _ := strconv.Atoi(word)
			all = append(all, family(child)...)
		}
	}
	return all
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
