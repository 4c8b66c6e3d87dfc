package flood

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/shared/periodic"
)

// asGenerator holds an order as JSON: this process then only sends requests.
const asGenerator = "THUMBMILL_FLOOD_ORDER"

// order says what a generator sends. It runs as a process of its own, so that its processor time can be told from the
// cluster's.
type order struct {
	Address     string
	Paths       string  // a pattern with a number that is new for each request, and the number of an original
	First       int64   // that number begins here
	Connections int     // each waits for its answer before it asks again
	Clients     int     // addresses, shared by the connections in turn
	Network     int     // second byte of the clients' addresses
	Rate        float64 // requests a second of all connections; 0: as fast as they are answered
	Long        time.Duration
}

// report is a generator's result.
type report struct {
	Good, Refused, Other int
	Served               []time.Duration // times of good answers
	Turned               []time.Duration // times of refusals
	Last                 int64
	CPU                  time.Duration `json:"-"` // of the generator
}

func percentile(all []time.Duration, p float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(float64(len(all))*p))]
}

// generate follows an order and prints the report.
func generate(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return err
	}
	g := &generator{order: o}
	g.number.Store(o.First)
	ctx, cancel := context.WithTimeout(context.Background(), o.Long)
	defer cancel()
	var all sync.WaitGroup
	for i := range o.Connections {
		all.Go(func() { g.keepAsking(ctx, i) })
	}
	all.Wait()
	g.Last = g.number.Load()
	return json.NewEncoder(os.Stdout).Encode(g.report)
}

type generator struct {
	order  order
	number atomic.Int64
	mu     sync.Mutex
	report
}

// keepAsking sends the requests of one connection until ctx ends. It connects again after an error.
func (g *generator) keepAsking(ctx context.Context, i int) {
	var c *connection
	var pause time.Duration
	if g.order.Rate > 0 {
		pause = time.Duration(float64(g.order.Connections) / g.order.Rate * float64(time.Second))
		_ = periodic.Sleep(ctx, pause*time.Duration(i)/time.Duration(g.order.Connections)) // not all at once
	}
	client := i % g.order.Clients
	for ctx.Err() == nil {
		asked := time.Now()
		if c == nil {
			c = dial(g.order.Address)
		}
		status := 0
		if c != nil {
			status = c.ask(ctx, g.path(), fmt.Sprintf("10.%d.%d.%d", g.order.Network, client/200, 1+client%200))
		}
		if status == 0 && c != nil {
			_ = c.Close()
			c = nil
		}
		if end, _ := ctx.Deadline(); time.Until(end) > 10*time.Millisecond { // else the end cut the answer off
			g.count(status, time.Since(asked))
		}
		if pause > 0 {
			_ = periodic.Sleep(ctx, time.Until(asked.Add(pause)))
		}
	}
	if c != nil {
		_ = c.Close()
	}
}

func (g *generator) path() string {
	n := g.number.Add(1)
	return fmt.Sprintf(g.order.Paths, n, n%originals)
}

func (g *generator) count(status int, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch status {
	case http.StatusOK:
		g.Good++
		g.Served = append(g.Served, took)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		g.Refused++
		g.Turned = append(g.Turned, took)
	default:
		g.Other++
	}
}

// connection is one connection of HTTP/1.1. It takes less of the machine than http.Client.
type connection struct {
	net.Conn
	in *bufio.Reader
}

// dial returns nil if the address refuses.
func dial(address string) *connection {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return nil
	}
	return &connection{c, bufio.NewReaderSize(c, 16<<10)}
}

// ask returns the status of an answer, or 0 without a whole answer by the end of ctx.
func (c *connection) ask(ctx context.Context, path, client string) int {
	end, _ := ctx.Deadline()
	_ = c.SetDeadline(end)
	if _, err := io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: "+client+"\r\n\r\n"); err != nil {
		return 0
	}
	answer, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return 0
	}
	_, err = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return 0
	}
	return answer.StatusCode
}
