// Package classic serves PoolCounter's protocol on the coordinator's lock
// table: a line a command, answered in PoolCounter's words. Locks end with the
// connection.
package classic

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

// Server serves connections.
type Server struct {
	table    *pools.Table
	activity *activity.Activity
	refused  func() int64 // connections that could not be taken
	started  time.Time

	failedSends atomic.Int64
}

// New makes a server; refused counts connections that could not be taken.
func New(table *pools.Table, a *activity.Activity, refused func() int64) *Server {
	return &Server{table: table, activity: a, refused: refused, started: time.Now()}
}

// session is one connection.
type session struct {
	server *Server
	client *pools.Client
	out    *outbox
}

// Serve answers one client until it leaves.
func (s *Server) Serve(conn net.Conn, in *bufio.Reader) {
	c := &session{server: s, out: newOutbox(conn, func() { s.failedSends.Add(1) })}
	c.client = s.table.NewClient(c)
	for {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue // of an over-long line what is behind the buffer's end counts, as at the original
		}
		if err != nil {
			break
		}
		c.out.add(c.answer(poolcounter.Parse(string(bytes.TrimSuffix(line, []byte("\n"))))))
		if !more(in) || c.out.pending() > backlog {
			c.out.flush()
		}
		if !c.out.drained() {
			break
		}
	}
	c.client.Leave()
	c.out.close()
}

// more reports whether another line is there already, so that its answer can be
// sent together with the last.
func more(in *bufio.Reader) bool {
	text, _ := in.Peek(in.Buffered())
	return bytes.IndexByte(text, '\n') >= 0
}

func (c *session) answer(cmd poolcounter.Command) string {
	switch cmd.Verb {
	case poolcounter.VerbAcquire:
		return c.acquire(cmd)
	case poolcounter.VerbRelease:
		return line(c.client.Release())
	case poolcounter.VerbStats:
		counts, _, times := c.server.table.Counts()
		return stats(cmd.Stat, time.Since(c.server.started), counts, times, c.server.refused(), c.server.failedSends.Load())
	}
	return line(poolcounter.BadCommand)
}

func (c *session) acquire(cmd poolcounter.Command) string {
	c.server.activity.Asked(cmd.Key)
	answer := c.client.Acquire(cmd)
	if answer == "" {
		return "" // it waits: Receive brings the answer
	}
	return line(answer)
}

// line ends an answer, without making a new text of the frequent ones.
func line(a poolcounter.Answer) string {
	switch a {
	case poolcounter.Locked:
		return "LOCKED\n"
	case poolcounter.Released:
		return "RELEASED\n"
	}
	return string(a) + "\n"
}

// Receive brings the end of a wait.
func (c *session) Receive(a lease.Answer) {
	switch a.Kind {
	case lease.KindGranted:
		c.out.add(line(poolcounter.Locked))
	case lease.KindDone:
		c.out.add(line(poolcounter.Done))
	default:
		c.out.add(line(poolcounter.Timeout))
	}
}

// Flush sends it.
func (c *session) Flush() { c.out.flush() }
