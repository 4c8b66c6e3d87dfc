// Package hits measures the speed of stored thumbnails, from the directory store and from the
// edge's memory. It compares thumbmill in one run with nginx, Varnish, Go's file server, a bare handler of
// net/http, a bare loop of reads and writes, imagor and Thumbor, as far as they are installed. Each server has one core;
// the generator (wrk) has the other.
package hits

import (
	"bytes"
	"fmt"
	"io"
	"net"
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
	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

const (
	asFileServer = "THUMBMILL_FILE_SERVER" // address and folder: this process runs http.FileServer
	asHandler    = "THUMBMILL_BARE_SERVER" // address and file: this process answers each request with the file's content
	asLoop       = "THUMBMILL_BARE_LOOP"   // the same, without net/http
	connections  = 64
	seconds      = 4
	rounds       = 7
	wanted       = 20 << 10 // approximate bytes of the thumbnail
)

func TestMain(m *testing.M) {
	if address, dir, ok := strings.Cut(os.Getenv(asFileServer), " "); ok {
		_, _ = fmt.Fprintln(os.Stderr, http.ListenAndServe(address, http.FileServer(http.Dir(dir))))
		os.Exit(1)
	}
	if address, name, ok := strings.Cut(os.Getenv(asHandler), " "); ok {
		_, _ = fmt.Fprintln(os.Stderr, serveBare(address, name))
		os.Exit(1)
	}
	if address, name, ok := strings.Cut(os.Getenv(asLoop), " "); ok {
		_, _ = fmt.Fprintln(os.Stderr, serveLoop(address, name))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serveLoop answers each read that ends a head with the content of a file: the least that Go's connections cost.
func serveLoop(address, name string) error {
	body, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go loop(conn, answer)
	}
}

func loop(conn net.Conn, answer []byte) {
	defer func() { _ = conn.Close() }()
	head := make([]byte, 4<<10)
	for {
		n, err := conn.Read(head)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(head[:n], []byte("\r\n\r\n")) {
			continue
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

// serveBare answers each request with the content of a file: the least that an answer of net/http costs.
func serveBare(address, name string) error {
	body, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return http.ListenAndServe(address, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"image/jpeg"}
		w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
		_, _ = w.Write(body)
	}))
}

// run starts a process on the first core, and returns its number. It ends with the benchmark.
func run(b *testing.B, address string, env []string, name string, args ...string) (pid int) {
	b.Helper()
	cmd := exec.Command("taskset", append([]string{"-c", "0", name}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	answers := eventually.Succeeds(b, time.Minute, name+" answers at "+address, func() error {
		response, err := http.Get("http://" + address + "/")
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	})
	if !answers {
		b.FailNow()
	}
	return cmd.Process.Pid
}

// contestant is a running server with the URL of the thumbnail.
type contestant struct {
	name, url string
	pid       int
}

func thumbmill(b *testing.B, dir, name string, env ...string) contestant {
	b.Helper()
	bin, address := filepath.Join(programs.Build(b, programs.Thumbmill), "thumbmill"), servers.FreeAddress(b)
	pid := run(b, address, env, bin, "serve", "--listen", address, "--admin-listen", "127.0.0.1:0", "--coordinator-listen", "127.0.0.1:0",
		"--originals", dir, "--thumbnails", filepath.Join(dir, "thumbnails"))
	return contestant{name, "http://" + address, pid}
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

func nginx(b *testing.B, dir string) contestant {
	b.Helper()
	address := servers.FreeAddress(b)
	conf := filepath.Join(dir, "nginx.conf")
	must(b, os.WriteFile(conf, fmt.Appendf(nil, `daemon off; master_process off; pid %[1]s/nginx.pid; error_log /dev/null; user root;
events { worker_connections 1024; }
http { access_log off; sendfile on; keepalive_requests 1000000; types { image/jpeg jpg; }
server { listen %[2]s; root %[1]s/plain; } }`, dir, address), 0o600))
	pid := run(b, address, nil, "nginx", "-c", conf, "-p", dir)
	return contestant{"nginx", "http://" + address + "/a.jpg", pid}
}

// varnish keeps the file of a backend in memory.
func varnish(b *testing.B, dir string, backend contestant) contestant {
	b.Helper()
	address := servers.FreeAddress(b)
	pid := run(b, address, nil, "varnishd", "-F", "-a", address, "-b", strings.TrimSuffix(strings.TrimPrefix(backend.url, "http://"), "/a.jpg"),
		"-n", filepath.Join(dir, "varnish"), "-t", "3600", "-s", "malloc,64m")
	return contestant{"Varnish, memory", "http://" + address + "/a.jpg", pid}
}

// imagor keeps results in a folder.
func imagor(b *testing.B, dir, path string) contestant {
	b.Helper()
	address := servers.FreeAddress(b)
	host, port, _ := strings.Cut(address, ":")
	pid := run(b, address, nil, "imagor", "-bind", host+":"+port, "-imagor-unsafe", "-file-loader-base-dir", dir, "-file-result-storage-base-dir", filepath.Join(dir, "imagor"))
	return contestant{"imagor, result storage", "http://" + address + path, pid}
}

// thumbor keeps results in a folder.
func thumbor(b *testing.B, dir, path string) contestant {
	b.Helper()
	address, conf := servers.FreeAddress(b), filepath.Join(dir, "thumbor.conf")
	must(b, os.WriteFile(conf, fmt.Appendf(nil, "LOADER = 'thumbor.loaders.file_loader'\nFILE_LOADER_ROOT_PATH = '%[1]s'\nSTORAGE = 'thumbor.storages.no_storage'\n"+
		"RESULT_STORAGE = 'thumbor.result_storages.file_storage'\nRESULT_STORAGE_FILE_STORAGE_ROOT_PATH = '%[1]s/thumbor'\nRESULT_STORAGE_STORES_UNSAFE = True\n", dir), 0o600))
	host, port, _ := strings.Cut(address, ":")
	pid := run(b, address, nil, "thumbor", "--ip", host, "--port", port, "--conf", conf)
	return contestant{"Thumbor, result storage", "http://" + address + path, pid}
}

// installed reports whether a program is on the path.
func installed(name string) bool {
	_, err := exec.LookPath(name)
	return err == nil
}

// measured is the result of a round of wrk.
type measured struct {
	rate, p99 float64
	cost      float64 // microseconds of the server's processor time for each request
}

var (
	total = regexp.MustCompile(`(\d+) requests in`)
	rate  = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	p99   = regexp.MustCompile(`99%\s+([0-9.]+)(us|ms|s)`)
	bad   = regexp.MustCompile(`(?m)^\s*(Non-2xx|Socket errors).*$`)
)

func load(b *testing.B, c contestant) measured {
	b.Helper()
	before := processes.TreeTime(c.pid)
	out, err := exec.Command("taskset", "-c", "1", "wrk", "-t", "1", "-c", strconv.Itoa(connections), "-d", fmt.Sprint(seconds, "s"), "--latency", c.url).CombinedOutput()
	used := processes.TreeTime(c.pid) - before
	r, p, n, e := rate.FindSubmatch(out), p99.FindSubmatch(out), total.FindSubmatch(out), bad.Find(out)
	if err != nil || r == nil || p == nil || n == nil || e != nil {
		b.Fatalf("wrk %s: %v %s\n%s", c.url, err, e, out)
	}
	var m measured
	m.rate, _ = strconv.ParseFloat(string(r[1]), 64)
	requests, _ := strconv.ParseFloat(string(n[1]), 64)
	m.cost = float64(used.Microseconds()) / requests
	m.p99, _ = strconv.ParseFloat(string(p[1]), 64)
	m.p99 *= map[string]float64{"us": .001, "ms": 1, "s": 1000}[string(p[2])]
	return m
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// contestants starts all servers. The first one is nginx.
func contestants(b *testing.B, dir string) (all []contestant, size int) {
	b.Helper()
	original, err := samples.JPEG(samples.Landscape(1600, 1200))
	must(b, err)
	must(b, os.WriteFile(filepath.Join(dir, "a.jpg"), original, 0o644))
	directory := thumbmill(b, dir, "thumbmill, directory")
	path, body := thumb(b, directory.url)
	must(b, os.MkdirAll(filepath.Join(dir, "plain"), 0o755))
	must(b, os.WriteFile(filepath.Join(dir, "plain", "a.jpg"), body, 0o644))
	must(b, os.Chmod(dir, 0o755))
	memory := thumbmill(b, dir, "thumbmill, memory", "THUMBMILL_EDGE_MEMORY=256MiB")
	directory.url, memory.url = directory.url+path, memory.url+path
	files, bare, raw := servers.FreeAddress(b), servers.FreeAddress(b), servers.FreeAddress(b)
	plain := filepath.Join(dir, "plain", "a.jpg")
	all = append(all, nginx(b, dir),
		contestant{"net/http, bare handler", "http://" + bare + "/", run(b, bare, []string{asHandler + "=" + bare + " " + plain}, os.Args[0])},
		contestant{"Go, a loop of Read and Write", "http://" + raw + "/", run(b, raw, []string{asLoop + "=" + raw + " " + plain}, os.Args[0])},
		contestant{"http.FileServer", "http://" + files + "/a.jpg", run(b, files, []string{asFileServer + "=" + files + " " + filepath.Join(dir, "plain")}, os.Args[0])},
		directory, memory)
	if installed("varnishd") {
		all = append(all, varnish(b, dir, all[0]))
	}
	if installed("imagor") {
		all = append(all, imagor(b, dir, path))
	}
	if installed("thumbor") {
		all = append(all, thumbor(b, dir, path))
	}
	return all, len(body)
}

// BenchmarkHits prints requests per second, the 99th percentile, the processor time of a request, and ratios to
// nginx in the same round. All are medians of interleaved rounds. On a busy machine, only the processor time tells much.
func BenchmarkHits(b *testing.B) {
	for _, tool := range []string{"wrk", "nginx", "taskset"} {
		if !installed(tool) {
			b.Skipf("%s is not installed: run `make bench-hits`", tool)
		}
	}
	all, size := contestants(b, b.TempDir())
	rates, tails, costs := make([][]float64, len(all)), make([][]float64, len(all)), make([][]float64, len(all))
	ratios, cheaper := make([][]float64, len(all)), make([][]float64, len(all))
	for range rounds {
		var first measured
		for i, c := range all {
			m := load(b, c)
			if i == 0 {
				first = m
			}
			rates[i], tails[i], costs[i] = append(rates[i], m.rate), append(tails[i], m.p99), append(costs[i], m.cost)
			ratios[i], cheaper[i] = append(ratios[i], m.rate/first.rate), append(cheaper[i], first.cost/m.cost)
		}
	}
	fmt.Printf("\n%d KB, %d connections, %d rounds of %d s\n\n| server | requests/s | of nginx | p99 ms | processor µs | nginx's of it |\n|---|---|---|---|---|---|\n", size>>10, connections, rounds, seconds)
	for i, c := range all {
		fmt.Printf("| %s | %.0f | %.2f | %.1f | %.1f | %.2f |\n", c.name, median(rates[i]), median(ratios[i]), median(tails[i]), median(costs[i]), median(cheaper[i]))
	}
	b.ReportMetric(0, "ns/op")
}
