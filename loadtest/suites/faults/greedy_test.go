package faults

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/thumbmill/thumbmill/edge/thumborurl"
)

const (
	greedyLimit   = 1 // renders of one client at once, in each site
	greedyWishes  = 3 // requests of it at once
	greedyAddress = "10.9.9.9"
	greedyFetch   = 500 * time.Millisecond
)

// greedy is a client that always asks for more than it may have. Each of its originals is
// another one, and slow to come: those that are fetched at once are the renders that it was
// granted, as Swift sees them.
type greedy struct {
	load  *load
	stop  chan struct{}
	group sync.WaitGroup

	mu      sync.Mutex
	number  int
	fetched map[string]bool // originals that are read now
	read    map[string]bool // originals that were read to their end
	most    int             // originals at once, since begin
}

// fetch is Swift's way with its originals, which are all the same one.
func (g *greedy) fetch(_ http.ResponseWriter, r *http.Request, pass func(func(*http.Response) error)) {
	name := r.URL.Path
	folder, _, _ := strings.Cut(name, "/originals/g/")
	r.URL.Path = folder + "/originals/" + original(0)
	if r.Method == http.MethodGet {
		whole := false
		g.enter(name)
		defer func() { g.leave(name, whole) }()
		select {
		case <-time.After(greedyFetch):
		case <-r.Context().Done():
		}
		pass(nil)
		whole = r.Context().Err() == nil
		return
	}
	pass(nil)
}

func isGreedy(r *http.Request) bool { return strings.Contains(r.URL.Path, "/originals/g/") }

func (g *greedy) enter(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.read[name] {
		return // a job that was begun anew: its lease is counted, and may be over
	}
	g.fetched[name] = true
	g.most = max(g.most, len(g.fetched))
}

func (g *greedy) leave(name string, whole bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.fetched, name)
	if whole {
		g.read[name] = true
	}
}

// begin asks until end.
func (g *greedy) begin() {
	g.mu.Lock()
	g.most = 0
	g.mu.Unlock()
	g.stop = make(chan struct{})
	for range greedyWishes {
		g.group.Go(g.ask)
	}
}

func (g *greedy) ask() {
	for {
		select {
		case <-g.stop:
			return
		case <-time.After(100 * time.Millisecond): // it may be refused
		}
		g.mu.Lock()
		g.number++
		image := fmt.Sprintf("g/%d.jpg", g.number)
		g.mu.Unlock()
		g.load.ask(g.load.signer.URL(thumborurl.Options{Image: image, Width: 60}), greedyAddress, time.Now())
	}
}

// end gives how many renders it had at once, at most.
func (g *greedy) end() (most int) {
	close(g.stop)
	g.group.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}

// held holds what it had to its limit, and sees that it was tried at all.
func held(t *testing.T, most, times int) {
	t.Helper()
	if most == 0 {
		t.Error("no render of the greedy client was seen: its limit is not tried")
	}
	if times > 0 && most > times*greedyLimit {
		t.Errorf("a client had %d renders at once; its limit is %d", most, greedyLimit)
	}
}
