package front

import (
	"container/list"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// gathering is a connection that can send two writes with one system call. net/http writes a small
// head and a large body with two: for a thumbnail from memory, the second call takes a tenth of all
// its time. The connection knows its client, and the end of its wait for a request. It embeds a
// TCP connection for the other methods of net.Conn.
type gathering struct {
	*net.TCPConn
	pool    *sync.Pool    // of *[]byte, for held
	holding bool          // the next write is held
	held    *[]byte       // a write to send with the next one; nil = none
	writeBy atomic.Int64  // the current deadline of writes, Unix nanoseconds
	served  atomic.Bool   // a request is under way
	client  string        // as clientaddr.Finder.Peer names it; "" for a proxy or an exempt client
	place   *list.Element // in connections.order; guarded by the mutex of connections
	expiry  *time.Timer   // ends a wait for a request; nil before the first wait
	ends    time.Time     // of the current wait
	idle    time.Duration // the length of a wait
	silent  atomic.Bool   // no bytes came since the wait began

	// Of answers below the server; see quick.
	quick     *quick
	remote    string // the peer's address
	part      []byte // the begin of a head, in step
	outOfStep bool
	hits      atomic.Bool  // the last answer was a whole picture
	state     atomic.Int32 // waiting, answering or leaving
	answered  atomic.Bool  // since closeOne last met the connection
	looked    atomic.Bool  // see Looked; of the request that the server reads next
	pieces    [2][]byte    // memory for writeBoth
	both      net.Buffers  // of pieces
}

// coarse bounds the time by which a write deadline may be too early. A new deadline for each answer
// costs more than the exact time is worth.
const coarse = 5 * time.Second

// SetWriteDeadline keeps the current deadline if the new one is less than coarse later. It ignores
// the removal of a deadline, which net/http does between two requests: each answer of the edge has
// its own deadline.
func (g *gathering) SetWriteDeadline(by time.Time) error {
	later := time.Duration(by.UnixNano() - g.writeBy.Load())
	if by.IsZero() || later >= 0 && later < coarse {
		return nil
	}
	g.writeBy.Store(by.UnixNano())
	return g.TCPConn.SetWriteDeadline(by)
}

// SetDeadline sets the deadlines of reads and writes.
func (g *gathering) SetDeadline(by time.Time) error {
	g.writeBy.Store(by.UnixNano())
	return g.TCPConn.SetDeadline(by)
}

// awaitRequest closes the connection unless a request comes in time.
func (g *gathering) awaitRequest(idle time.Duration) {
	g.ends, g.idle = time.Now().Add(idle), idle
	if g.expiry != nil {
		g.expiry.Reset(idle)
	} else {
		g.expiry = time.AfterFunc(idle, func() { _ = g.Close() })
	}
	g.silent.Store(true)
}

// Write holds the first write while holding is true, and sends it with the second.
func (g *gathering) Write(p []byte) (int, error) {
	if g.holding && g.held == nil {
		g.held = g.pool.Get().(*[]byte)
		*g.held = append((*g.held)[:0], p...)
		return len(p), nil
	}
	if g.held == nil {
		return g.TCPConn.Write(p)
	}
	n, err := g.writeBoth(*g.held, p)
	g.letGo()
	return n, err
}

// writeBoth sends a head and a body with one system call if the kernel takes both. It returns the number of bytes of
// the body.
func (g *gathering) writeBoth(head, body []byte) (int, error) {
	g.pieces = [2][]byte{head, body}
	g.both = g.pieces[:]
	n, err := g.both.WriteTo(g.TCPConn)
	g.pieces = [2][]byte{}
	return int(max(n-int64(len(head)), 0)), err
}

// letGo drops the held write, and gives its memory back.
func (g *gathering) letGo() {
	g.pool.Put(g.held)
	g.held, g.holding = nil, false
}

// ReadFrom sends the held write, and then r, which the kernel may copy by itself.
func (g *gathering) ReadFrom(r io.Reader) (int64, error) {
	if err := g.release(); err != nil {
		return 0, err
	}
	return g.TCPConn.ReadFrom(r)
}

func (g *gathering) release() error {
	g.holding = false
	if g.held == nil {
		return nil
	}
	_, err := g.TCPConn.Write(*g.held)
	g.letGo()
	return err
}

type connKey struct{}

// remember implements http.Server's ConnContext: it puts the connection into the context of
// handlers.
func remember(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, plain(conn))
}

// WriteWhole writes a body that is the whole answer. Over HTTP/1 without encryption, one system call
// sends the head and the body. The head must have the body's length.
func WriteWhole(w http.ResponseWriter, r *http.Request, body []byte) error {
	if a, below := w.(*answer); below {
		_, err := a.Write(body)
		return err
	}
	g, gathers := r.Context().Value(connKey{}).(*gathering)
	gathers = gathers && r.ProtoMajor == 1 && r.TLS == nil
	if gathers {
		g.holding = true
		g.hits.Store(true)
	}
	_, err := w.Write(body) //nolint:gosec // a picture, with its Content-Type
	if gathers {
		err = errors.Join(err, g.release())
	}
	return err
}
