package flood

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
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
	drawings = "/wikipedia/commons/thumb/a/ab/Map-LINE.svg/%[1]dpx-Map-LINE.svg.png"
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
	for line := range len(attacks()) {
		s.write(dir, fmt.Sprintf("wikipedia-commons-local-public/a/ab/Map-%d.svg", line), []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="900" height="900"><circle cx="450" cy="450" r="400"/></svg>`))
	}
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

// left returns the processors that the generator leaves.
func (m measured) left() float64 {
	return float64(runtime.NumCPU()) - m.asked.CPU.Seconds()/m.long.Seconds()
}

// add joins another measurement of the same load.
func (m *measured) add(n measured) {
	m.asked.add(n.asked)
	m.long += n.long
	m.front += n.front
	m.workers += n.workers
	m.memory = max(m.memory, n.memory)
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

// lines are the lines of the flood's table. Their loads take turns in rounds, because the machine's speed may change by a
// tenth within minutes.
type lines struct{ capacity, many, afterMany, one, afterOne measured }

const rounds = 3

// round adds a round of all loads. Eight connections reach the capacity.
func (l *lines) round(s *site, long time.Duration) {
	usual := order{Connections: 8, Clients: 8, Long: long}
	capacity := s.measure(usual)
	rate := 10 * capacity.rate()
	l.capacity.add(capacity)
	l.many.add(s.measure(order{Connections: 400, Clients: 400, Network: 1, Rate: rate, Long: long}))
	l.afterMany.add(s.later(usual))
	l.one.add(s.measure(order{Connections: 400, Clients: 1, Network: 2, Rate: rate, Long: long}))
	l.afterOne.add(s.later(usual))
}

// usual joins the measurements without a flood.
func (l *lines) usual() (m measured) {
	for _, line := range []measured{l.capacity, l.afterMany, l.afterOne} {
		m.add(line)
	}
	return m
}

// BenchmarkFlood sends ten times as many misses as the site can render, from many clients and from one. "Of the rate" is
// the rate of good answers as a share of the capacity that the generator's processor time leaves. "Of the time" is the
// share of the site's processor time that good answers take as long as at the capacity. The rest went to refusals.
func BenchmarkFlood(b *testing.B) {
	s, long := start(b), seconds()
	s.measure(order{Connections: 4, Clients: 4, Long: 3 * time.Second}) // warm
	var l lines
	for range rounds {
		l.round(s, long/rounds)
	}
	usual := l.usual()
	fmt.Printf("\n| load | good/s | refused/s | at once p50, p99 ms | in the site p50, p99 ms | late | after waiting | generator | front | workers | of the rate | of the time | MB |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, row := range []struct {
		name string
		m    measured
	}{
		{"capacity, 8 clients", l.capacity},
		{"ten times, 400 clients", l.many},
		{"2 s later", l.afterMany},
		{"ten times, one client", l.one},
		{"2 s later", l.afterOne},
	} {
		fmt.Printf("| %s | %s |\n", row.name, row.m.besides(usual))
		if row.m.asked.Other > 0 {
			b.Errorf("%s: %d requests without an answer, or with another status", row.name, row.m.asked.Other)
		}
	}
	b.ReportMetric(0, "ns/op")
}

// besides returns the cells of a line, compared with the capacity of all rounds.
func (m measured) besides(capacity measured) string {
	r, left := m.asked, m.left()/capacity.left()
	return fmt.Sprintf("%.1f | %.0f | %.1f, %.1f | %.1f, %.1f | %d | %d | %.0f %% | %.0f %% | %.0f %% | %.2f | %.2f | %d", m.rate(), float64(r.Refused)/m.long.Seconds(),
		milliseconds(percentile(r.Turned, .5)), milliseconds(percentile(r.Turned, .99)),
		milliseconds(percentile(r.InSite, .5)), milliseconds(percentile(r.InSite, .99)), r.Late, len(r.Waited),
		share(r.CPU, m.long), share(m.front, m.long), share(m.workers, m.long),
		m.rate()/(capacity.rate()*left), float64(capacity.perGood())/float64(m.perGood()), m.memory>>20)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// share returns the percentage of one processor.
func share(d, long time.Duration) float64 { return 100 * float64(d) / float64(long) }

// attack is a number of clients that ask for WebPs of a photograph of 24 megapixels, which take seconds each: four at a
// time, and a new width each.
type attack struct {
	clients int
	from    int64 // the first width
}

func (a attack) String() string {
	if a.clients == 0 {
		return "none"
	}
	return fmt.Sprintf("%d clients, 4 at a time each, from %d pixels", a.clients, a.from)
}

// attacks returns the lines of the table. The machine's speed changes meanwhile, so that the idle site is measured twice.
func attacks() []attack {
	return []attack{{}, {1, 4000}, {6, 4400}, {1, 5600}, {6, 5700}, {}}
}

// neighbours measures other clients' new photographs and drawings. At 8 and 4 a second, they need less than a fifth of the
// site; in a minute they are enough for their times at p99. Each line draws all widths of a drawing of its own.
func (s *site) neighbours(line int, long time.Duration) (photographs, drawn report) {
	var both sync.WaitGroup
	both.Go(func() {
		photographs = s.send(order{Paths: photos, First: s.number, Connections: 40, Clients: 40, Network: 3, Rate: 8, Long: long})
	})
	both.Go(func() {
		paths := strings.ReplaceAll(drawings, "LINE", strconv.Itoa(line))
		drawn = s.send(order{Paths: paths, First: 100, Connections: 40, Clients: 40, Network: 4, Rate: 4, Long: long})
	})
	both.Wait()
	s.number = photographs.Last
	return photographs, drawn
}

// BenchmarkNeighbours measures the times of other clients' new thumbnails during attacks. The goal is twice the time of
// an idle site at p99.
func BenchmarkNeighbours(b *testing.B) {
	s, long := start(b), seconds()
	fmt.Printf("\n| attack | photographs p50, p99 ms | drawings p50, p99 ms | not served | attackers' thumbnails |\n|---|---|---|---|---|\n")
	for line, a := range attacks() {
		var attackers report
		var running sync.WaitGroup
		if a.clients > 0 {
			running.Go(func() {
				attackers = s.send(order{Paths: huge, First: a.from, Connections: 4 * a.clients, Clients: a.clients, Network: 5, Long: long})
			})
		}
		photographs, drawn := s.neighbours(line, long)
		running.Wait()
		lost := fmt.Sprintf("%d refused, %d failed", photographs.Refused+drawn.Refused, photographs.Other+drawn.Other)
		fmt.Printf("| %s | %.0f, %.0f | %.0f, %.0f | %s | %d |\n", a,
			milliseconds(percentile(photographs.Served, .5)), milliseconds(percentile(photographs.Served, .99)),
			milliseconds(percentile(drawn.Served, .5)), milliseconds(percentile(drawn.Served, .99)), lost, attackers.Good)
	}
	b.ReportMetric(0, "ns/op")
}
