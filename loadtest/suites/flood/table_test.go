package flood

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/deploy/samples"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/programs"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/servers"
)

// site is a running `thumbmill serve` with two slots.
type site struct {
	b       testing.TB
	address string
	dir     string // originals and thumbnails are below it
	temp    string // temporary files of all parts
	run     string // the debugging socket is below it
	pid     int
	number  int64 // of the latest thumbnail
}

// originals is the number of photographs, more than connections: renders of one original would share a decode.
const originals = 500

const (
	// photos is the path of a new thumbnail. The number is below two million.
	photos   = "/unsafe/300x/filters:brightness(1):contrast(2):rgb(0,0,0):quality(85):max_bytes(%[1]d)/%[2]d.jpg"
	drawings = "/wikipedia/commons/thumb/a/ab/Map.svg/%[1]dpx-Map.svg.png"
	huge     = "/wikipedia/commons/thumb/a/ab/Photo.jpg/%[1]dpx-Photo.jpg.webp"
)

func start(b testing.TB) *site {
	b.Helper()
	dir, address := b.TempDir(), servers.FreeAddress(b)
	s := &site{b: b, address: address, number: 1_000_000, dir: dir, temp: b.TempDir(), run: b.TempDir()}
	photo, err := samples.JPEG(samples.Landscape(1200, 900))
	if err != nil {
		b.Fatal(err)
	}
	for i := range originals {
		s.write(dir, fmt.Sprintf("%d.jpg", i), photo)
	}
	s.original(dir, "wikipedia-commons-local-public/a/ab/Photo.jpg", 6000, 4000)
	s.write(dir, "wikipedia-commons-local-public/a/ab/Map.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="900" height="900"><circle cx="450" cy="450" r="400"/></svg>`))
	program := os.Getenv("THUMBMILL") // instead of this tree's
	if program == "" {
		program = filepath.Join(programs.Build(b, programs.Thumbmill), "thumbmill")
	}
	cmd := exec.Command(program, "serve", "--listen", address, "--admin-listen", "127.0.0.1:0",
		"--coordinator-listen", "127.0.0.1:0", "--originals", filepath.Join(dir, "originals"), "--thumbnails", filepath.Join(dir, "thumbnails"))
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+s.run, "XDG_CONFIG_HOME="+dir, "TMPDIR="+s.temp, "THUMBMILL_LOG_LEVEL=warn", "THUMBMILL_RENDERER_SLOTS=2",
		"THUMBMILL_RENDERER_NICE=14", // as in deploy/systemd/thumbmill.service
		"THUMBMILL_EDGE_TRUSTED_PROXIES=127.0.0.1", "THUMBMILL_EDGE_ALLOW_UNSAFE=true")
	cmd.Stderr = os.Stderr
	ended, err := servers.Launch(cmd)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); <-ended })
	s.pid = cmd.Process.Pid
	ready := eventually.Succeeds(b, time.Minute, "the site answers", func() error {
		answer, err := http.Get("http://" + address + fmt.Sprintf(photos, 999_999, 0))
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				err = fmt.Errorf("%s", answer.Status)
			}
		}
		return err
	})
	if !ready {
		b.FailNow()
	}
	return s
}

func (s *site) original(dir, name string, width, height int) {
	body, err := samples.JPEG(samples.Landscape(width, height))
	if err != nil {
		s.b.Fatal(err)
	}
	s.write(dir, name, body)
}

func (s *site) write(dir, name string, body []byte) {
	path := filepath.Join(dir, "originals", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.b.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		s.b.Fatal(err)
	}
}

// send runs a generator. It numbers its thumbnails from the number after the last generator's.
func (s *site) send(o order) report {
	o.Address = s.address
	text, _ := json.Marshal(o)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asGenerator+"="+string(text))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Run(); err != nil {
		s.b.Error("the generator ends:", err)
		return report{}
	}
	var r report
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		s.b.Error("the generator prints no report:", err)
	}
	r.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return r
}

// measured is a row of the table.
type measured struct {
	asked          report
	long           time.Duration
	front, workers time.Duration // processor time of the process that talks to the network, and of its workers
	memory         uint64        // the front's highest
}

func (m measured) rate() float64 { return float64(m.asked.Good) / m.long.Seconds() }

// perGood is the cluster's processor time for each good answer, refusals included.
func (m measured) perGood() time.Duration {
	return (m.front + m.workers) / time.Duration(max(1, m.asked.Good))
}

func (s *site) measure(o order) (m measured) {
	o.Paths, o.First = photos, s.number
	front, workers := s.spent()
	stop, watching := make(chan struct{}), sync.WaitGroup{}
	watching.Go(func() {
		looks := time.NewTicker(500 * time.Millisecond)
		defer looks.Stop()
		for {
			m.memory = max(m.memory, processes.PSS(s.pid))
			select {
			case <-stop:
				return
			case <-looks.C:
			}
		}
	})
	m.asked, m.long = s.send(o), o.Long
	close(stop)
	watching.Wait()
	s.number = m.asked.Last
	f, w := s.spent()
	m.front, m.workers = f-front, w-workers
	return m
}

// later measures two seconds after a flood, when the site must be as before.
func (s *site) later(o order) measured {
	<-time.NewTimer(2 * time.Second).C // the goal
	return s.measure(o)
}

// spent returns the processor time so far.
func (s *site) spent() (front, workers time.Duration) {
	front, workers = processes.Time(s.pid)
	for _, worker := range processes.Below(s.pid) {
		own, children := processes.Time(worker)
		workers += own + children
	}
	return front, workers
}

// seconds returns the length of each flood: THUMBMILL_FLOOD_SECONDS, or 30.
func seconds() time.Duration {
	if n, err := strconv.Atoi(os.Getenv("THUMBMILL_FLOOD_SECONDS")); err == nil {
		return time.Duration(n) * time.Second
	}
	return 30 * time.Second
}

// BenchmarkFlood sends ten times as many misses as the site can render, from many clients and from one. "Of it" is the
// share of the site's processor time that good answers take as long as at the capacity before and after the flood. The
// rest went to refusals. The share does not depend on other load of the machine, and little on its processors' speed,
// which may change by a tenth within minutes.
func BenchmarkFlood(b *testing.B) {
	s, long := start(b), seconds()
	usual := order{Connections: 4, Clients: 4, Long: long / 2}
	s.measure(order{Connections: 4, Clients: 4, Long: 3 * time.Second}) // warm
	best := s.measure(usual)
	many := s.measure(order{Connections: 400, Clients: 400, Network: 1, Rate: 10 * best.rate(), Long: long})
	after := s.later(usual)
	one := s.measure(order{Connections: 400, Clients: 1, Network: 2, Rate: 10 * best.rate(), Long: long})
	last := s.later(usual)
	fmt.Printf("\n| load | good/s | refused/s | at once p50, p99 ms | in the site p50, p99 ms | late | after waiting | its p99 ms | generator | front | workers | ms for a good answer | of it | MB |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range []struct {
		name     string
		m        measured
		capacity time.Duration // processor time of a good answer at the capacity
	}{
		{"capacity, 4 clients", best, best.perGood()},
		{"ten times, 400 clients", many, (best.perGood() + after.perGood()) / 2},
		{"2 s later", after, best.perGood()},
		{"ten times, one client", one, (after.perGood() + last.perGood()) / 2},
		{"2 s later", last, best.perGood()},
	} {
		m, r := row.m, row.m.asked
		fmt.Printf("| %s | %.1f | %.0f | %.1f, %.1f | %.1f, %.1f | %d | %d | %.0f | %.0f %% | %.0f %% | %.0f %% | %.1f | %.2f | %d |\n", row.name, m.rate(), float64(r.Refused)/m.long.Seconds(),
			milliseconds(percentile(r.Turned, .5)), milliseconds(percentile(r.Turned, .99)),
			milliseconds(percentile(r.InSite, .5)), milliseconds(percentile(r.InSite, .99)), r.Late, len(r.Waited), milliseconds(percentile(r.Waited, .99)), share(r.CPU, m.long), share(m.front, m.long), share(m.workers, m.long),
			milliseconds(m.perGood()), float64(row.capacity)/float64(m.perGood()), m.memory>>20)
		if r.Other > 0 {
			b.Errorf("%s: %d requests without an answer, or with another status", row.name, r.Other)
		}
	}
	b.ReportMetric(0, "ns/op")
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// share returns the percentage of one processor.
func share(d, long time.Duration) float64 { return 100 * float64(d) / float64(long) }

// BenchmarkNeighbours measures the times of other clients' new thumbnails while abusive clients ask for WebPs of a
// photograph of 24 megapixels that take seconds each, a new width each. The goal is twice the time of an idle site at p99.
func BenchmarkNeighbours(b *testing.B) {
	s, long := start(b), seconds()
	width := int64(100) // of the drawings, whose widths are bounded
	witness := func() (all [2]report) {
		var both sync.WaitGroup
		both.Go(func() {
			all[0] = s.send(order{Paths: photos, First: s.number, Connections: 20, Clients: 20, Network: 3, Rate: 4, Long: long})
		})
		both.Go(func() {
			all[1] = s.send(order{Paths: drawings, First: width, Connections: 20, Clients: 20, Network: 4, Rate: 2, Long: long})
		})
		both.Wait()
		s.number, width = all[0].Last, all[1].Last
		return all
	}
	fmt.Printf("\n| attack | photographs p50, p99 ms | drawings p50, p99 ms | not served | attackers' thumbnails |\n|---|---|---|---|---|\n")
	for _, a := range []struct {
		attackers int
		from      int64 // the first width
	}{{0, 0}, {1, 4000}, {6, 4400}, {1, 5600}, {6, 5700}} {
		attackers := a.attackers
		var attack report
		var running sync.WaitGroup
		if attackers > 0 {
			running.Go(func() {
				attack = s.send(order{Paths: huge, First: a.from, Connections: 4 * attackers, Clients: attackers, Network: 5, Long: long})
			})
		}
		seen := witness()
		running.Wait()
		lost := fmt.Sprintf("%d refused, %d failed", seen[0].Refused+seen[1].Refused, seen[0].Other+seen[1].Other)
		fmt.Printf("| %d clients, 4 at a time each, from %d pixels | %.0f, %.0f | %.0f, %.0f | %s | %d |\n", attackers, a.from,
			milliseconds(percentile(seen[0].Served, .5)), milliseconds(percentile(seen[0].Served, .99)),
			milliseconds(percentile(seen[1].Served, .5)), milliseconds(percentile(seen[1].Served, .99)), lost, attack.Good)
	}
	b.ReportMetric(0, "ns/op")
}
