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
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
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
	Turned               []time.Duration // times of refusals at once
	InSite               []time.Duration // the same from the request's way into the kernel to the answer's: without the generator's own waits
	Late                 int             // refusals at once that came after the looks for the thumbnail and its original
	Waited               []time.Duration // times of refusals of requests that stood in line before
	Last                 int64
	CPU                  time.Duration `json:"-"` // of the generator
}

// add joins another report of the same load.
func (r *report) add(other report) {
	r.Good += other.Good
	r.Refused += other.Refused
	r.Other += other.Other
	r.Late += other.Late
	r.Served = append(r.Served, other.Served...)
	r.Turned = append(r.Turned, other.Turned...)
	r.InSite = append(r.InSite, other.InSite...)
	r.Waited = append(r.Waited, other.Waited...)
	r.CPU += other.CPU
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
	g.report.Last = g.number.Load()
	return json.NewEncoder(os.Stdout).Encode(g.report)
}

type generator struct {
	order  order
	number atomic.Int64
	mu     sync.Mutex
	report report
}

// pace waits between the requests of a connection. The requests of all connections come evenly.
type pace struct {
	each time.Duration // 0: no pause
	next time.Time
}

func (p *pace) wait(ctx context.Context) {
	if p.each == 0 {
		return
	}
	due := time.NewTimer(time.Until(p.next))
	defer due.Stop()
	select {
	case <-due.C:
	case <-ctx.Done():
	}
	p.next = time.Now().Add(p.each)
}

func (o order) paceOf(i int) *pace {
	if o.Rate == 0 {
		return &pace{}
	}
	each := time.Duration(float64(o.Connections) / o.Rate * float64(time.Second))
	return &pace{each, time.Now().Add(each * time.Duration(i) / time.Duration(o.Connections))}
}

// keepAsking sends the requests of one connection until ctx ends. It connects again after an error.
func (g *generator) keepAsking(ctx context.Context, i int) {
	c, pace := &connection{}, g.order.paceOf(i)
	defer c.close()
	client := i % g.order.Clients
	for pace.wait(ctx); ctx.Err() == nil; pace.wait(ctx) {
		asked := time.Now()
		a, err := c.ask(ctx, g.order.Address, g.path(), fmt.Sprintf("10.%d.%d.%d", g.order.Network, client/200, 1+client%200))
		if err != nil {
			c.close()
		}
		if end, _ := ctx.Deadline(); time.Until(end) > 10*time.Millisecond { // else the end cut the answer off
			g.count(a, time.Since(asked))
		}
	}
}

func (g *generator) path() string {
	n := g.number.Add(1)
	return fmt.Sprintf(g.order.Paths, n, n%originals)
}

func (g *generator) count(a answer, took time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r := &g.report
	switch a.status {
	case http.StatusOK:
		r.Good++
		r.Served = append(r.Served, took)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		r.Refused++
		if hasWaited(a.timing) {
			r.Waited = append(r.Waited, took)
			return
		}
		r.Turned = append(r.Turned, took)
		r.InSite = append(r.InSite, a.received.Sub(a.sent))
		if strings.Contains(a.timing, "lookup;") {
			r.Late++
		}
	default:
		r.Other++
	}
}

// answer is the part of an answer that the report needs.
type answer struct {
	status         int    // 0: no whole answer
	timing         string // the header Server-Timing
	sent, received time.Time
}

// connection is one connection of HTTP/1.1. It takes less of the machine than http.Client.
type connection struct {
	conn  net.Conn // nil: not open
	bytes *stamped
	in    *bufio.Reader
}

func (c *connection) close() {
	if c.conn != nil {
		_ = c.conn.Close()
	}
	c.conn = nil
}

func (c *connection) open(address string) (err error) {
	if c.conn != nil {
		return nil
	}
	conn, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return err
	}
	c.conn = conn
	if c.bytes, err = stamp(conn.(*net.TCPConn)); err == nil {
		c.in = bufio.NewReaderSize(c.bytes, 16<<10)
	}
	return err
}

// inLine finds the time in a line, in milliseconds, in the header Server-Timing.
var inLine = regexp.MustCompile(`admit;dur=([0-9.]+)`)

// stood is the least time in a line of a request that waited. A coordinator that refuses at once answers sooner.
const stood = 100 // milliseconds

func hasWaited(timing string) bool {
	found := inLine.FindStringSubmatch(timing)
	if found == nil {
		return false
	}
	took, err := strconv.ParseFloat(found[1], 64)
	return err == nil && took >= stood
}

// ask returns the answer to a request. It returns an error without a whole answer by the end of ctx.
func (c *connection) ask(ctx context.Context, address, path, client string) (a answer, err error) {
	if err := c.open(address); err != nil {
		return a, err
	}
	end, _ := ctx.Deadline()
	_ = c.conn.SetDeadline(end)
	text := "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: " + client + "\r\n\r\n"
	a.sent = time.Now()
	if _, err := io.WriteString(c.conn, text); err != nil {
		return a, err
	}
	got, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return a, err
	}
	defer func() { _ = got.Body.Close() }()
	if _, err = io.Copy(io.Discard, got.Body); err != nil {
		return a, err
	}
	a.status, a.timing, a.received = got.StatusCode, got.Header.Get("Server-Timing"), c.bytes.at
	return a, nil
}
