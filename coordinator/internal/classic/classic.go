// Package classic serves PoolCounter's protocol on the coordinator's lock
// table.
//
// Each connection has a reader, which understands lines and asks the table, and
// a writer, so that a client that does not read holds up nobody else: its
// answers are dropped together with its connection. Locks end with the
// connection.
package classic

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

const (
	backlog      = 16 // answers that a client may leave unread beyond what the kernel holds
	writeTimeout = 10 * time.Second
	// MaxConnections bounds the memory that connections can take, together with half
	// of the process's descriptors; a further one is closed at once.
	MaxConnections = 20_000
)

// Server serves one listener.
type Server struct {
	table   *pools.Table
	log     *slog.Logger
	waits   *prometheus.HistogramVec // by class
	started time.Time
	most    int // connections

	connectErrors, failedSends atomic.Int64

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	group  sync.WaitGroup
}

// New makes a server; waits observes seconds until an answer, by class of pool.
func New(table *pools.Table, log *slog.Logger, waits *prometheus.HistogramVec) *Server {
	return &Server{table: table, log: log, waits: waits, started: time.Now(), most: mostConnections(), conns: map[net.Conn]struct{}{}}
}

// mostConnections leaves descriptors for the rest of the process.
func mostConnections() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return MaxConnections
	}
	return int(min(MaxConnections, max(16, limit.Cur/2)))
}

// Connections is how many clients are connected.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Serve accepts connections until the listener is closed.
func (s *Server) Serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of descriptors: the connections that end make room
			s.connectErrors.Add(1)
			s.log.Warn("a connection could not be accepted", "error", err)
			time.Sleep(50 * time.Millisecond)
			continue
		}
		if !s.admit(conn) {
			s.connectErrors.Add(1)
			_ = conn.Close()
		}
	}
}

func (s *Server) admit(conn net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.most {
		return false
	}
	s.conns[conn] = struct{}{}
	s.group.Go(func() { s.serve(conn) })
	return true
}

// Close disconnects all clients and waits for their goroutines, at most until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() { s.group.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// session is one connection.
type session struct {
	server *Server
	conn   net.Conn
	client *pools.Client
	out    chan string

	mu    sync.Mutex
	gone  bool
	wait  int // number of the latest wait, so that an old timer cannot end a new one
	timer *time.Timer
	class poolcounter.Class
	began time.Time
}

func (s *Server) serve(conn net.Conn) {
	c := &session{server: s, conn: conn, out: make(chan string, backlog)}
	c.client = s.table.NewClient(c.granted)
	var writer sync.WaitGroup
	writer.Go(c.write)

	c.read()

	c.client.Leave()
	c.leave()
	_ = conn.Close()
	close(c.out)
	writer.Wait()
	s.mu.Lock()
	delete(s.conns, conn)
	s.mu.Unlock()
}

func (c *session) read() {
	in := bufio.NewReaderSize(c.conn, poolcounter.MaxLine)
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return // closed, or longer than a line may be
		}
		if answer := c.answer(poolcounter.Parse(string(line[:len(line)-1]))); answer != "" && !c.send(answer) {
			return
		}
	}
}

func (c *session) answer(cmd poolcounter.Command) string {
	switch cmd.Verb {
	case poolcounter.VerbAcquire:
		return c.acquire(cmd)
	case poolcounter.VerbRelease:
		return string(c.client.Release()) + "\n"
	case poolcounter.VerbStats:
		counts, times := c.server.table.Counts()
		return stats(cmd.Stat, time.Since(c.server.started), counts, times,
			c.server.connectErrors.Load(), c.server.failedSends.Load())
	}
	return string(poolcounter.BadCommand) + "\n"
}

// acquire holds the session's lock while it asks, so that a grant that comes at
// once finds the wait in place.
func (c *session) acquire(cmd poolcounter.Command) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer := c.client.Acquire(cmd)
	if answer != "" {
		if answer == poolcounter.Locked {
			c.server.waits.WithLabelValues(string(poolcounter.ClassOf(cmd.Key))).Observe(0)
		}
		return string(answer) + "\n"
	}
	c.wait++
	c.class, c.began = poolcounter.ClassOf(cmd.Key), time.Now()
	wait := c.wait
	c.timer = time.AfterFunc(time.Duration(cmd.Limits.Timeout)*time.Second, func() { c.expire(wait) })
	return ""
}

// expire and granted are called by a timer and by other connections, possibly
// after the client left.
func (c *session) expire(wait int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wait == wait && c.client.GiveUp() {
		c.finishWait(poolcounter.Timeout)
	}
}

func (c *session) granted(answer poolcounter.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finishWait(answer)
}

func (c *session) finishWait(answer poolcounter.Answer) {
	if c.gone {
		return
	}
	if c.timer != nil {
		c.timer.Stop()
		c.timer = nil
	}
	c.server.waits.WithLabelValues(string(c.class)).Observe(time.Since(c.began).Seconds())
	select {
	case c.out <- string(answer) + "\n":
	default: // it does not read; its locks shall not stay with it
		c.server.failedSends.Add(1)
		_ = c.conn.Close()
	}
}

// leave makes sure that nobody sends any more.
func (c *session) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	if c.timer != nil {
		c.timer.Stop()
	}
}

func (c *session) send(answer string) bool {
	select {
	case c.out <- answer:
		return true
	default:
	}
	patience := time.NewTimer(writeTimeout)
	defer patience.Stop()
	select {
	case c.out <- answer:
		return true
	case <-patience.C:
		c.server.failedSends.Add(1)
		return false
	}
}

func (c *session) write() {
	for answer := range c.out {
		_ = c.conn.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := c.conn.Write([]byte(answer)); err != nil {
			_ = c.conn.Close() // the reader ends, and then this loop
		}
	}
}
