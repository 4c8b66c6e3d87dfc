package peers

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// request is a request for a thumbnail.
type request struct {
	original, format string
	width            int
}

// answer is the answer to a request.
type answer struct {
	seconds float64
	body    []byte
}

// scenario defines the requests of all contestants. Each round requests new thumbnails.
type scenario struct {
	name, what string
	prepare    func(b *testing.B, dir string) (originals []string)
	requests   func(originals []string, round int) []request
	clients    int
	bounds     []bound
	against    func(b *testing.B, dir string) (ours *contestant, others []*contestant)
}

// measures has one contestant's results of each round.
type measures struct {
	cpu, rate, tail, size, memory []float64 // ms a thumbnail; thumbnails a second; ms; KB; peak MB
	similarity                    float64
	processes                     []string // memory of each process at the last round's peak
}

// BenchmarkPeers prints a table for each scenario: medians of interleaved rounds, and ratios to the
// first peer in the same round. At the end it prints all bounds. Variables: SCENARIO is set when not
// all scenarios run, which then request more. ROUNDS is the number of rounds (9). ORIGINALS is a
// folder of JPEGs, instead of drawn ones. IMGPROXY, IMAGOR and THUMBOR are paths of programs. PEERS
// is a JSON file of further peers. OLDER is an earlier thumbmill or its commit, THUMBMILL a program to
// use instead of this tree's.
func BenchmarkPeers(b *testing.B) {
	b.Setenv("THUMBMILL", build(b)) // once for all scenarios
	var all []verdict
	for _, s := range scenarios(os.Getenv("SCENARIO") == "") {
		b.Run(s.name, func(b *testing.B) {
			verdicts := s.verdicts()
			defer func() { all = append(all, verdicts...) }() // also of a scenario that is skipped
			dir := b.TempDir()
			originals := s.prepare(b, dir)
			ours, peers := s.against(b, dir)
			fill(verdicts, run(b, s, dir, originals, append([]*contestant{ours}, peers...)))
			b.ReportMetric(0, "ns/op") // the table is the result
		})
	}
	fmt.Print(sheet(all))
}

func rounds() int {
	n, err := strconv.Atoi(os.Getenv("ROUNDS"))
	if err != nil || n < 1 {
		return 9
	}
	return n
}

// Rounds without measurement: in the first one, workers start and caches fill; in the last one,
// thumbnails are compared.
const warming = -1

func judging() int { return rounds() }

func run(b *testing.B, s scenario, dir string, originals []string, all []*contestant) []measures {
	b.Helper()
	got := make([]measures, len(all))
	for _, c := range all {
		c.ask(b, s.requests(originals, warming), s.clients)
		c.process.settled()
	}
	for round := range rounds() {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", s.name, round+1, rounds())
		for i := range all {
			i := (i + round) % len(all) // rotate the order, so that no server always follows the same one
			all[i].round(b, s.requests(originals, round), s.clients, &got[i])
		}
	}
	compare(b, s, dir, originals, all, got)
	fmt.Print(heading(s, all[0].process.source()), table(all, got))
	return got
}

// compare requests a round of thumbnails and sets the contestants' similarities.
func compare(b *testing.B, s scenario, dir string, originals []string, all []*contestant, got []measures) {
	b.Helper()
	requests := s.requests(originals, judging())
	answers := make([][]answer, len(all))
	for i, c := range all {
		answers[i] = c.ask(b, requests, s.clients)
	}
	seen, picked := references{dir: dir}, judged(requests)
	for _, k := range picked {
		for i, c := range all {
			alike, err := seen.similarity(b.Context(), requests[k].original, answers[i][k].body)
			if err != nil {
				b.Fatalf("%s: %v", c.name, err)
			}
			got[i].similarity += alike / float64(len(picked))
		}
	}
}

// round sends the requests of a round and measures their cost.
func (c *contestant) round(b *testing.B, requests []request, clients int, m *measures) {
	b.Helper()
	over, most := make(chan struct{}), make(chan sight)
	go func() { most <- c.process.watch(over) }()
	before, began := c.process.used(), time.Now()
	answers := c.ask(b, requests, clients)
	took := time.Since(began)
	close(over)
	peak := <-most
	m.memory, m.processes = append(m.memory, peak.sum), peak.each
	used := c.process.settled() - before
	n := float64(len(requests))
	var times, sizes []float64
	for _, a := range answers {
		times, sizes = append(times, a.seconds*1000), append(sizes, float64(len(a.body))/1024)
	}
	slices.Sort(times)
	m.cpu = append(m.cpu, used.Seconds()*1000/n)
	m.rate = append(m.rate, n/took.Seconds())
	m.tail = append(m.tail, times[len(times)*95/100])
	m.size = append(m.size, median(sizes))
}

// watch returns the peak memory of a tree, from four measurements a second.
func (p process) watch(over <-chan struct{}) (most sight) {
	for {
		if now := p.memory(); now.sum > most.sum {
			most = now
		}
		select {
		case <-over:
			return most
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// ask requests thumbnails in order, as fast as the given number of clients can.
func (c *contestant) ask(b *testing.B, requests []request, clients int) []answer {
	b.Helper()
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: clients, DisableCompression: true}}
	defer client.CloseIdleConnections()
	answers := make([]answer, len(requests))
	var next atomic.Int64
	var failed atomic.Int64
	var group sync.WaitGroup
	for range clients {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(requests); i = int(next.Add(1)) - 1 {
				asked := time.Now()
				body, err := get(client, c.url(requests[i]))
				if err != nil && failed.Add(1) == 1 {
					b.Errorf("%s: %v", c.name, err)
				}
				answers[i] = answer{time.Since(asked).Seconds(), body}
			}
		})
	}
	group.Wait()
	if n := failed.Load(); n > 0 { // failures are fast
		b.Fatalf("%s: %d of %d thumbnails failed, so its times mean nothing", c.name, n, len(requests))
	}
	return answers
}

func get(client *http.Client, url string) ([]byte, error) {
	response, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body[:min(len(body), 200)])
	}
	return body, err
}

// heading describes the measurement: scenario, machine, date.
func heading(s scenario, source string) string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	vips, _ := exec.Command("vips", "--version").Output() // vips may be missing
	return fmt.Sprintf("\n%s: %s; %d clients, %d rounds; %d cores (%s), %s, %s; processor time by %s\n\n", s.name, s.what, s.clients, rounds(),
		runtime.NumCPU(), model(info), strings.TrimSpace(string(vips)), time.Now().Format(time.DateOnly), source)
}

func table(all []*contestant, got []measures) string {
	var out bytes.Buffer
	fmt.Fprintln(&out, "| server | processor ms | ratio | thumbnails/s | ratio | p95 ms | KB each | SSIM | memory MB | ratio |\n|---|---|---|---|---|---|---|---|---|---|")
	reference := first(got)
	for i, c := range all {
		m := got[i]
		fmt.Fprintf(&out, "| %s | %.1f | %.2f | %.1f | %.2f | %.0f | %.1f | %.4f | %.0f | %.2f |\n", c.name, median(m.cpu), ratio(m.cpu, reference.cpu),
			median(m.rate), ratio(m.rate, reference.rate), median(m.tail), median(m.size), m.similarity, median(m.memory), ratio(m.memory, reference.memory))
	}
	fmt.Fprintf(&out, "\nMB of each process of %s at its last peak (anonymous): %s\n\n", all[0].name, strings.Join(got[0].processes, ", "))
	return out.String()
}

// first returns the results of the peer that ratios refer to.
func first(got []measures) measures { return got[min(1, len(got)-1)] }

// ratio returns the median of the rounds' ratios.
func ratio(a, b []float64) float64 {
	var all []float64
	for i := range a {
		all = append(all, a[i]/b[i])
	}
	return median(all)
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
