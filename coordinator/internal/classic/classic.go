// Package classic serves PoolCounter's protocol on the coordinator's lock table: one line for each
// command, answered in PoolCounter's words. Locks end with their connection.
//
// One goroutine serves all connections (loop.go), as in the original. A waiting connection costs a few
// hundred bytes, and a pair of acquire and release needs two system calls less than with a goroutine
// for each connection.
package classic

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/thumbmill/thumbmill/coordinator/internal/activity"
	"github.com/thumbmill/thumbmill/coordinator/internal/pools"
	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

// Server serves connections, and is a part of the coordinator (service.Part).
type Server struct {
	table    *pools.Table
	activity *activity.Activity
	refused  func() int64 // number of refused connections
	started  time.Time
	loop     *loop
	group    sync.WaitGroup

	failedSends atomic.Int64
}

// New makes a server; refused returns the number of refused connections, for the statistics.
func New(table *pools.Table, a *activity.Activity, refused func() int64) (*Server, error) {
	s := &Server{table: table, activity: a, refused: refused, started: time.Now()}
	var err error
	s.loop, err = newLoop(s)
	return s, err
}

// Start begins to serve the connections that Serve takes over.
func (s *Server) Start(context.Context) error {
	s.group.Go(s.loop.run)
	return nil
}

// Stop ends all connections and waits for their end.
func (s *Server) Stop(context.Context) error {
	s.loop.close()
	s.group.Wait()
	return nil
}

// session is one connection.
type session struct {
	server  *Server
	client  *pools.Client
	partial []byte // beginning of a line whose end has not arrived
	out     outbox
}

// open makes the session of a descriptor; ended is called once it is closed.
func (s *Server) open(fd int, ended func()) *session {
	c := &session{server: s, out: outbox{fd: fd, epoll: s.loop.fd, failed: func() { s.failedSends.Add(1) }, ended: ended}}
	c.client = s.table.NewClient(c)
	return c
}

// answerLines answers all complete lines, and keeps a partial last line.
func (c *session) answerLines(text []byte) {
	if len(c.partial) > 0 {
		text = append(c.partial, text...)
	}
	for {
		end := bytes.IndexByte(text, '\n')
		switch {
		case end < 0 && len(text) < poolcounter.MaxLine:
			c.partial = append(c.partial[:0], text...)
			c.out.flush()
			return
		case end < 0 || end >= poolcounter.MaxLine:
			text = text[poolcounter.MaxLine:] // the rest of an overlong line counts as a line, as in the original
			continue
		}
		c.out.add(c.answer(poolcounter.Parse(string(text[:end]))))
		text = text[end+1:]
	}
}

func (c *session) answer(cmd poolcounter.Command) string {
	switch cmd.Verb {
	case poolcounter.VerbAcquire:
		c.server.activity.Asked(cmd.Key)
		return line(c.client.Acquire(cmd)) // "" = the client waits: Receive brings the answer
	case poolcounter.VerbRelease:
		return line(c.client.Release())
	case poolcounter.VerbStats:
		counts, _, times := c.server.table.Counts()
		return stats(cmd.Stat, time.Since(c.server.started), counts, times, c.server.refused(), c.server.failedSends.Load())
	}
	return line(poolcounter.BadCommand)
}

// line adds the end of a line to an answer. It allocates nothing for frequent answers.
func line(a poolcounter.Answer) string {
	switch a {
	case "":
		return ""
	case poolcounter.Locked:
		return "LOCKED\n"
	case poolcounter.Released:
		return "RELEASED\n"
	}
	return string(a) + "\n"
}

// Receive sends the end of a wait.
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

// Flush sends the answers that Receive added.
func (c *session) Flush() { c.out.flush() }

// end frees the client's locks and closes the connection.
func (c *session) end() {
	c.client.Leave()
	c.out.close()
}
