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

// gathering is a connection that can send what is written to it in several pieces by one
// system call. net/http writes a small head and a large body as two: for a thumbnail from
// memory the second call is a tenth of all its time. It knows whose it is, and how long it
// may wait for a request. It embeds the connection whose other methods it takes as they are:
// it is a net.Conn.
type gathering struct {
	*net.TCPConn
	pool    *sync.Pool // of *[]byte, for what is held
	holding bool
	held    *[]byte
	writeBy atomic.Int64  // the deadline that is set, Unix nanoseconds
	served  atomic.Bool   // a request is under way
	client  string        // whose it is; "" for a proxy's, or an exempt one's
	place   *list.Element // among the connections; guarded by their mutex
	expiry  *time.Timer   // of a wait for a request; nil before the first
	ends    time.Time     // when the wait does
	silent  atomic.Bool   // nothing came since the wait began
}

// coarse is how much earlier than it should a connection may give up a client that reads
// nothing: setting the deadline anew for each answer costs more than it is worth.
const coarse = 5 * time.Second

// SetWriteDeadline leaves a deadline that is about the same. It does not take one back, as
// net/http does between two requests: each of the edge's answers has its own.
func (g *gathering) SetWriteDeadline(by time.Time) error {
	later := time.Duration(by.UnixNano() - g.writeBy.Load())
	if by.IsZero() || later >= 0 && later < coarse {
		return nil
	}
	g.writeBy.Store(by.UnixNano())
	return g.TCPConn.SetWriteDeadline(by)
}

// SetDeadline sets both deadlines.
func (g *gathering) SetDeadline(by time.Time) error {
	g.writeBy.Store(by.UnixNano())
	return g.TCPConn.SetDeadline(by)
}

// awaitRequest closes the connection unless a request comes in time.
func (g *gathering) awaitRequest(idle time.Duration) {
	g.ends = time.Now().Add(idle)
	if g.expiry != nil {
		g.expiry.Reset(idle)
	} else {
		g.expiry = time.AfterFunc(idle, func() { _ = g.Close() })
	}
	g.silent.Store(true)
}

// Read leaves a head that begins at the end of a wait the time that heads have.
func (g *gathering) Read(p []byte) (int, error) {
	n, err := g.TCPConn.Read(p)
	if n > 0 && g.silent.Load() && g.silent.CompareAndSwap(true, false) && time.Until(g.ends) < headerTimeout {
		g.expiry.Reset(headerTimeout)
	}
	return n, err
}

// Write keeps a first piece while it holds, and sends it with the second.
func (g *gathering) Write(p []byte) (int, error) {
	if g.holding && g.held == nil {
		g.held = g.pool.Get().(*[]byte)
		*g.held = append((*g.held)[:0], p...)
		return len(p), nil
	}
	if g.held == nil {
		return g.TCPConn.Write(p)
	}
	first := int64(len(*g.held))
	pieces := net.Buffers{*g.held, p}
	n, err := pieces.WriteTo(g.TCPConn)
	g.letGo()
	return int(max(n-first, 0)), err
}

// letGo ends the holding, and gives the memory back.
func (g *gathering) letGo() {
	g.pool.Put(g.held)
	g.held, g.holding = nil, false
}

// ReadFrom sends what is held before the rest, which the kernel may copy by itself.
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

// remember lets handlers find their connection: http.Server's ConnContext.
func remember(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, plain(conn))
}

// WriteWhole writes a body that is the whole answer, in one call with its head where that
// is possible: over HTTP/1 without encryption. The head must tell the body's length.
func WriteWhole(w http.ResponseWriter, r *http.Request, body []byte) error {
	g, gathers := r.Context().Value(connKey{}).(*gathering)
	gathers = gathers && r.ProtoMajor == 1 && r.TLS == nil
	if gathers {
		g.holding = true
	}
	_, err := w.Write(body) //nolint:gosec // a picture, of a type that is told
	if gathers {
		err = errors.Join(err, g.release())
	}
	return err
}
