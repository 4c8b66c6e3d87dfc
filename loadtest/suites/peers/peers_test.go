package peers

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// request is a thumbnail that is asked for.
type request struct {
	original, format string
	width            int
}

// scenario is what all contestants are asked for in each round. Each round asks for widths
// that nobody asked for before.
type scenario struct {
	name, what string
	prepare    func(b *testing.B, dir string) (originals []string)
	requests   func(originals []string, round int) []request
	clients    int
	bounds     []bound
	against    func(b *testing.B, dir string) (ours *contestant, others []*contestant) // nil: all peers
}

// bound is what the project holds itself to.
type bound struct {
	of   string // a column of the table
	most bool   // else least
	is   float64
}

func (v bound) String(got float64) string {
	met, word := got >= v.is, "at least"
	if v.most {
		met, word = got <= v.is, "at most"
	}
	verdict := map[bool]string{true: "met", false: "NOT met"}[met]
	return fmt.Sprintf("%s %.2f, bound %s %.2f: %s", v.of, got, word, v.is, verdict)
}

// measures are one contestant's, of each round.
type measures struct {
	cpu, rate, tail, size []float64 // ms a thumbnail; thumbnails a second; ms; KB
	memory                float64   // MB, the most
}

// BenchmarkPeers prints a table for each scenario: medians of rounds in turns, ratios to the
// first peer in the same round. ROUNDS is how many (9); ORIGINALS a folder of JPEGs that are
// asked for in place of made ones; IMGPROXY, IMAGOR, THUMBOR programs that are not on the PATH,
// OLDER an earlier thumbmill.
func BenchmarkPeers(b *testing.B) {
	for _, s := range scenarios() {
		b.Run(s.name, func(b *testing.B) {
			dir := b.TempDir()
			originals := s.prepare(b, dir)
			start := contestants
			if s.against != nil {
				start = s.against
			}
			ours, peers := start(b, dir)
			run(b, s, originals, append([]*contestant{ours}, peers...))
			b.ReportMetric(0, "ns/op") // the table is the result
		})
	}
}

func rounds() int {
	n, err := strconv.Atoi(os.Getenv("ROUNDS"))
	if err != nil || n < 1 {
		return 9
	}
	return n
}

func run(b *testing.B, s scenario, originals []string, all []*contestant) {
	b.Helper()
	got := make([]measures, len(all))
	for _, c := range all { // workers start, pages are read
		c.ask(b, s.requests(originals, -1), s.clients)
	}
	for round := range rounds() {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", s.name, round+1, rounds())
		for i, c := range all {
			c.round(b, s, s.requests(originals, round), &got[i])
		}
	}
	fmt.Printf("\n%s: %s; %d clients, %d rounds, %d cores, %s\n\n", s.name, s.what, s.clients, rounds(), runtime.NumCPU(), time.Now().Format(time.DateOnly))
	fmt.Println("| server | processor ms | ratio | thumbnails/s | ratio | p95 ms | KB each | memory MB | ratio |\n|---|---|---|---|---|---|---|---|---|")
	reference := got[min(1, len(got)-1)]
	for i, c := range all {
		m := got[i]
		fmt.Printf("| %s | %.1f | %.2f | %.1f | %.2f | %.0f | %.1f | %.0f | %.2f |\n", c.name, median(m.cpu), median(ratios(m.cpu, reference.cpu)),
			median(m.rate), median(ratios(m.rate, reference.rate)), median(m.tail), median(m.size), m.memory, m.memory/reference.memory)
	}
	verdicts(s, got[0], reference, got[1:])
}

// verdicts print the bounds of a scenario beside what was measured.
func verdicts(s scenario, ours, reference measures, peers []measures) {
	for _, v := range s.bounds {
		value := map[string]float64{
			"processor time":   median(ratios(ours.cpu, reference.cpu)),
			"thumbnails/s":     median(ratios(ours.rate, reference.rate)),
			"memory":           ours.memory / reference.memory,
			"of the fastest/s": 1e9, "of the least ms": 0,
		}
		for _, p := range peers {
			value["of the fastest/s"] = min(value["of the fastest/s"], median(ratios(ours.rate, p.rate)))
			value["of the least ms"] = max(value["of the least ms"], median(ratios(ours.cpu, p.cpu)))
		}
		fmt.Println(v.String(value[v.of]))
	}
}

// round asks for a round's thumbnails and measures what they cost.
func (c *contestant) round(b *testing.B, s scenario, requests []request, m *measures) {
	b.Helper()
	pid := c.process.Process.Pid
	over, watched := make(chan struct{}), make(chan struct{})
	go func() { defer close(watched); watch(pid, over, &m.memory) }()
	before, began := processorTime(pid), time.Now()
	times, sizes := c.ask(b, requests, s.clients)
	took, used := time.Since(began), processorTime(pid)-before
	close(over)
	<-watched
	n := float64(len(requests))
	slices.Sort(times)
	m.cpu = append(m.cpu, used.Seconds()*1000/n)
	m.rate = append(m.rate, n/took.Seconds())
	m.tail = append(m.tail, 1000*times[len(times)*95/100])
	m.size = append(m.size, median(sizes))
}

// watch keeps the most memory of a tree, four times a second.
func watch(pid int, over <-chan struct{}, most *float64) {
	for {
		*most = max(*most, memory(pid))
		select {
		case <-over:
			return
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// ask gets thumbnails as fast as so many clients do, in order: seconds and KB of each.
func (c *contestant) ask(b *testing.B, requests []request, clients int) (times, sizes []float64) {
	b.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	times, sizes = make([]float64, len(requests)), make([]float64, len(requests))
	var next atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(requests); i = int(next.Add(1)) - 1 {
				asked := time.Now()
				n, err := get(client, c.url(requests[i].original, requests[i].format, requests[i].width))
				if err != nil {
					b.Errorf("%s: %v", c.name, err)
				}
				times[i], sizes[i] = time.Since(asked).Seconds(), float64(n)/1024
			}
		})
	}
	group.Wait()
	return times, sizes
}

func get(client *http.Client, url string) (int64, error) {
	response, err := client.Get(url)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	n, err := io.Copy(io.Discard, response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, response.Status)
	}
	return n, err
}

func ratios(a, b []float64) (all []float64) {
	for i := range a {
		all = append(all, a[i]/b[i])
	}
	return all
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// photographs are those of ORIGINALS, else made ones, in the folder.
func photographs(b *testing.B, dir string) (names []string) {
	b.Helper()
	from := os.Getenv("ORIGINALS")
	if from == "" {
		return drawPhotographs(b, dir)
	}
	files, _ := filepath.Glob(filepath.Join(from, "*.jp*g"))
	if len(files) == 0 {
		b.Fatalf("ORIGINALS=%s has no JPEG: name a folder of .jpg files, or leave it out", from)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		if len(body) < minOriginal {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)) + ".jpg"
		write(b, filepath.Join(dir, name), body)
		names = append(names, name)
	}
	return names
}

// minOriginal leaves out files that are no photographs.
const minOriginal = 50_000

func write(b *testing.B, path string, body []byte) {
	b.Helper()
	if err := os.WriteFile(path, body, 0o600); err != nil {
		b.Fatal(err)
	}
}

// across gives each original each of so many new widths.
func across(originals []string, format string, round, first, widths int) (all []request) {
	for i := range widths {
		for _, o := range originals {
			all = append(all, request{o, format, first + (round+1)*widths + i})
		}
	}
	return all
}
