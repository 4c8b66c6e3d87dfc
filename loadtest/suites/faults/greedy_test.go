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

// greedy is a client that always sends more requests than its limit. Each of its originals is new
// and slow to fetch. The originals that are fetched at once are its granted renders, as Swift sees
// them.
type greedy struct {
	site  *site
	stop  chan struct{}
	group sync.WaitGroup

	mu      sync.Mutex
	number  int
	fetched map[string]bool // originals that are read now
	read    map[string]bool // originals that were read completely
	most    int             // most originals at once since begin
}

// fetch answers requests for the client's originals, which all have the same content.
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
		return // a repeated job: its lease was counted, and may have ended
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

// begin sends requests until end.
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
		case <-time.After(100 * time.Millisecond): // the request may be refused
		}
		g.mu.Lock()
		g.number++
		image := fmt.Sprintf("g/%d.jpg", g.number)
		g.mu.Unlock()
		g.site.load.Ask(g.site.signer().URL(thumborurl.Options{Image: image, Width: 60}), greedyAddress, time.Now())
	}
}

// end returns the most renders that the client had at once.
func (g *greedy) end() (most int) {
	close(g.stop)
	g.group.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}

// held compares the client's renders with its limit, and fails the test if there were none.
func held(t *testing.T, most, times int) {
	t.Helper()
	if most == 0 {
		t.Error("no render of the greedy client was seen, so its limit was not tested")
	}
	if times > 0 && most > times*greedyLimit {
		t.Errorf("a client had %d renders at once; its limit is %d", most, greedyLimit)
	}
}
