package flood

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/loadtest/fixtures/eventually"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/hostile"
	"github.com/thumbmill/thumbmill/loadtest/fixtures/processes"
)

// state is the part of a site that must return to where it began.
type state struct {
	descriptors, goroutines, workers int
	memory                           uint64 // of the process that talks to the network, in bytes
	disk                             int64  // bytes of temporary files: originals and the queue
}

func (s state) String() string {
	return fmt.Sprintf("%d descriptors, %d goroutines, %d workers, %d MB, %d MB of temporary files", s.descriptors, s.goroutines, s.workers, s.memory>>20, s.disk>>20)
}

// exceeds reports whether more is in use than before, beyond the difference of two quiet moments.
func (s state) exceeds(before state) bool {
	const few, some = 24, 64 << 20
	return s.descriptors > before.descriptors+few || s.goroutines > before.goroutines+few || s.workers > before.workers+1 ||
		s.memory > before.memory+before.memory/4+some || s.disk > before.disk+some
}

var total = regexp.MustCompile(`goroutine profile: total (\d+)`)

func (s *site) state() (now state) {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.pid))
	now.descriptors = len(entries)
	now.goroutines = s.goroutines()
	now.workers = len(processes.Below(s.pid))
	now.memory = processes.PSS(s.pid)
	_ = filepath.WalkDir(s.temp, func(_ string, entry fs.DirEntry, err error) error {
		if err == nil {
			if info, err := entry.Info(); err == nil && info.Mode().IsRegular() { // else the file is gone
				now.disk += info.Size()
			}
		}
		return nil
	})
	return now
}

// goroutines asks the debugging socket for their number, after a garbage collection.
func (s *site) goroutines() int {
	sockets, _ := filepath.Glob(filepath.Join(s.run, "thumbmill", "*.sock"))
	if len(sockets) != 1 {
		s.b.Fatalf("%d debugging sockets in %s", len(sockets), s.run)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", sockets[0])
	}}}
	get := func(path string) string {
		answer, err := client.Get("http://process/debug/pprof/" + path)
		if err != nil {
			s.b.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, _ := io.ReadAll(answer.Body)
		return string(text)
	}
	_ = get("heap?gc=1")
	found := total.FindStringSubmatch(get("goroutine?debug=1"))
	if found == nil {
		s.b.Fatal("the debugging socket tells no number of goroutines")
	}
	n, _ := strconv.Atoi(found[1])
	return n
}

// loads are the visitors and the attackers of a soak, each for a time.
func (s *site) loads(long time.Duration) []order {
	return []order{
		{Paths: photos, First: s.number, Connections: 8, Clients: 8, Network: 6, Rate: 10, Long: long},                                  // visitors
		{Paths: "/unsafe/330x/%[2]d.jpg", Connections: 32, Clients: 8, Network: 7, Rate: 200, Long: long},                               // the same thumbnails again
		{Paths: photos, First: s.number + 1<<19, Connections: 200, Clients: 200, Network: 8, Rate: 400, Long: long / 2},                 // a flood of many
		{Paths: photos, First: s.number + 1<<18, Connections: 200, Clients: 1, Network: 9, Rate: 400, Long: long / 3},                   // a flood of one
		{Paths: huge, First: 5000 + s.number%900, Connections: 8, Clients: 2, Network: 10, Long: long / 2},                              // renders of seconds
		{Paths: "/unsafe/100x/absent-%[1]d.jpg", Connections: 16, Clients: 4, Network: 11, Rate: 100, Long: long},                       // 404s
		{Paths: "/unsafe/%[1]dx/hostile-%[2]d", First: 10 + s.number%300, Connections: 8, Clients: 8, Network: 12, Rate: 5, Long: long}, // originals that decoders hate
		{Paths: "/%[1]d/../..//unsafe/%%zz", Connections: 4, Clients: 4, Network: 13, Rate: 50, Long: long},                             // nonsense
	}
}

// soak sends all loads together.
func (s *site) soak(long time.Duration) (answered [3]int) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, o := range s.loads(long) {
		all.Go(func() {
			r := s.send(o)
			mu.Lock()
			defer mu.Unlock()
			answered[0] += r.Good
			answered[1] += r.Refused
			answered[2] += r.Other
		})
	}
	all.Wait()
	s.number += 5000
	return answered
}

// TestSoak sends mixed load and attacks for the seconds in THUMBMILL_SOAK_SECONDS. Descriptors, goroutines, memory and
// temporary files then return to where they were after the first tenth, when every part had been used.
func TestSoak(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv("THUMBMILL_SOAK_SECONDS"))
	if err != nil {
		t.Skip("set THUMBMILL_SOAK_SECONDS, or run `make soak`")
	}
	s := start(t)
	files, err := hostile.Corpus(1000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range originals {
		f := files[i%len(files)]
		s.write(s.dir, fmt.Sprintf("hostile-%d", i), f.Body)
	}
	round := max(10*time.Second, time.Duration(n)*time.Second/10)
	s.soak(round)
	before := s.settled(t, nil)
	t.Log("after the first round: ", before)
	for end := time.Now().Add(time.Duration(n)*time.Second - round); time.Now().Before(end); {
		answered := s.soak(round)
		t.Logf("%d good answers, %d refusals, %d others; %v", answered[0], answered[1], answered[2], s.state())
	}
	after := s.settled(t, &before)
	t.Log("at the end: ", after)
	if after.exceeds(before) {
		t.Errorf("the site keeps more than before:\n%s", strings.Join([]string{before.String(), after.String()}, "\n"))
	}
}

// settled returns the state of a site without load: the lowest of a minute, or the first that does not exceed the one
// before.
func (s *site) settled(t *testing.T, before *state) (now state) {
	t.Helper()
	began := time.Now()
	last := s.state()
	eventually.Holds(t, 2*time.Minute, "the site is quiet", func() bool {
		now = s.state()
		quiet := now.goroutines == last.goroutines && now.descriptors == last.descriptors && time.Since(began) > 15*time.Second
		last = now
		return quiet && (before == nil || !now.exceeds(*before)) || time.Since(began) > time.Minute
	})
	return now
}
