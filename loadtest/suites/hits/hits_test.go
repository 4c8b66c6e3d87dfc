// Package hits measures the speed of stored thumbnails, from the directory store and from the
// edge's memory. It compares thumbmill with Go's file server and nginx on the same file in one run.
// Each server has one core; the generator (wrk) has the other.
package hits

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

const (
	asFileServer = "THUMBMILL_FILE_SERVER" // address and folder: this process runs http.FileServer
	connections  = 64
	rounds       = 7
	seconds      = 4
	wanted       = 20 << 10 // approximate bytes of the thumbnail
)

func TestMain(m *testing.M) {
	if address, dir, ok := strings.Cut(os.Getenv(asFileServer), " "); ok {
		_, _ = fmt.Fprintln(os.Stderr, http.ListenAndServe(address, http.FileServer(http.Dir(dir))))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// run starts a process on the first core. It ends with the benchmark.
func run(b *testing.B, address string, env []string, name string, args ...string) {
	b.Helper()
	cmd := exec.Command("taskset", append([]string{"-c", "0", name}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	answers := eventually.Succeeds(b, 20*time.Second, name+" answers at "+address, func() error {
		response, err := http.Get("http://" + address + "/")
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	})
	if !answers {
		b.FailNow()
	}
}

func thumbmill(b *testing.B, dir string, env ...string) (base string) {
	b.Helper()
	bin := filepath.Join(dir, "thumbmill")
	if out, err := exec.Command("go", "build", "-o", bin, "../../..").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	address := servers.FreeAddress(b)
	run(b, address, env, bin, "serve", "--listen", address, "--admin-listen", "127.0.0.1:0", "--coordinator-listen", "127.0.0.1:0",
		"--originals", dir, "--thumbnails", filepath.Join(dir, "thumbnails"))
	return "http://" + address
}

// thumb returns the path and the bytes of a thumbnail of about the wanted size.
func thumb(b *testing.B, base string) (path string, body []byte) {
	b.Helper()
	for width := 100; len(body) < wanted; width += 20 {
		path = fmt.Sprintf("/unsafe/%dx/a.jpg", width)
		response, err := http.Get(base + path)
		if err != nil {
			b.Fatal(err)
		}
		body, err = io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || response.StatusCode != http.StatusOK {
			b.Fatalf("%s: %s %v", path, response.Status, err)
		}
	}
	return path, body
}

func must(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func nginx(b *testing.B, dir string) (base string) {
	b.Helper()
	address := servers.FreeAddress(b)
	conf := filepath.Join(dir, "nginx.conf")
	must(b, os.WriteFile(conf, fmt.Appendf(nil, `daemon off; master_process off; pid %[1]s/nginx.pid; error_log /dev/null; user root;
events { worker_connections 1024; }
http { access_log off; sendfile on; keepalive_requests 1000000; types { image/jpeg jpg; }
server { listen %[2]s; root %[1]s/plain; } }`, dir, address), 0o600))
	run(b, address, nil, "nginx", "-c", conf, "-p", dir)
	return "http://" + address
}

// measured is the result of a round of wrk.
type measured struct{ rate, p99 float64 }

var (
	rate = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	p99  = regexp.MustCompile(`99%\s+([0-9.]+)(us|ms|s)`)
	bad  = regexp.MustCompile(`(?m)^\s*(Non-2xx|Socket errors).*$`)
)

func load(b *testing.B, url string) measured {
	b.Helper()
	out, err := exec.Command("taskset", "-c", "1", "wrk", "-t", "1", "-c", strconv.Itoa(connections), "-d", fmt.Sprint(seconds, "s"), "--latency", url).CombinedOutput()
	r, p, e := rate.FindSubmatch(out), p99.FindSubmatch(out), bad.Find(out)
	if err != nil || r == nil || p == nil || e != nil {
		b.Fatalf("wrk %s: %v %s\n%s", url, err, e, out)
	}
	var m measured
	m.rate, _ = strconv.ParseFloat(string(r[1]), 64)
	m.p99, _ = strconv.ParseFloat(string(p[1]), 64)
	m.p99 *= map[string]float64{"us": .001, "ms": 1, "s": 1000}[string(p[2])]
	return m
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// BenchmarkHits prints requests per second, the 99th percentile, and the ratio to http.FileServer's
// rate in the same round. All are medians of interleaved rounds.
func BenchmarkHits(b *testing.B) {
	for _, tool := range []string{"wrk", "nginx", "taskset"} {
		if _, err := exec.LookPath(tool); err != nil {
			b.Skipf("%s is not installed: run `make bench-hits`", tool)
		}
	}
	dir := b.TempDir()
	original, err := samples.JPEG(samples.Landscape(1600, 1200))
	must(b, err)
	must(b, os.WriteFile(filepath.Join(dir, "a.jpg"), original, 0o600))
	directory := thumbmill(b, dir)
	path, body := thumb(b, directory)
	must(b, os.MkdirAll(filepath.Join(dir, "plain"), 0o755))
	must(b, os.WriteFile(filepath.Join(dir, "plain", "a.jpg"), body, 0o644))
	must(b, os.Chmod(dir, 0o755))
	files := servers.FreeAddress(b)
	run(b, files, []string{asFileServer + "=" + files + " " + filepath.Join(dir, "plain")}, os.Args[0])
	contestants := []struct{ name, url string }{
		{"nginx", nginx(b, dir) + "/a.jpg"}, {"http.FileServer", "http://" + files + "/a.jpg"},
		{"thumbmill, directory", directory + path}, {"thumbmill, memory", thumbmill(b, dir, "THUMBMILL_EDGE_MEMORY=256MiB") + path},
	}
	rates, tails, ratios := make([][]float64, len(contestants)), make([][]float64, len(contestants)), make([][]float64, len(contestants))
	for range rounds {
		for i, c := range contestants {
			m := load(b, c.url)
			rates[i], tails[i] = append(rates[i], m.rate), append(tails[i], m.p99)
		}
		for i := range contestants {
			ratios[i] = append(ratios[i], rates[i][len(rates[i])-1]/rates[1][len(rates[1])-1])
		}
	}
	fmt.Printf("\n%d KB, %d connections, %d rounds of %d s\n\n| server | requests/s | p99 ms | ratio |\n|---|---|---|---|\n", len(body)>>10, connections, rounds, seconds)
	for i, c := range contestants {
		fmt.Printf("| %s | %.0f | %.1f | %.2f |\n", c.name, median(rates[i]), median(tails[i]), median(ratios[i]))
	}
	b.ReportMetric(0, "ns/op")
}
