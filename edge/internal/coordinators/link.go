package coordinators

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"github.com/thumbmill/thumbmill/shared/lease"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/poolcounter"
)

const (
	// connectTimeout bounds the dial and the greeting. A living coordinator answers at once; the
	// timeout leaves time for a busy host.
	connectTimeout = 700 * time.Millisecond
	retryEvery     = 100 * time.Millisecond
)

// State is the state of a coordinator, and the value of the metric thumbmill_coordinator_state.
type State int

// The states.
const (
	Down    State = iota // it does not answer
	Classic              // it speaks only PoolCounter's protocol
	Native               // it speaks the native protocol
)

// link keeps a connection to one coordinator.
type link struct {
	address string
	parent  *Coordinators
	breaker *gobreaker.CircuitBreaker[*conn]

	// Guarded by the parent's mutex.
	tried bool // at least once; only then Down means that the coordinator does not answer
	state State
	conn  *conn            // while Native
	ended map[uint64]ended // leases that ended while the coordinator was down
	why   string           // the error that was logged last; "" while the coordinator answers
}

// ended is the end of a lease.
type ended struct {
	outcome lease.Outcome
	payload string
}

// keepConnected connects again after each loss, until ctx ends.
func (l *link) keepConnected(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		conn, err := l.breaker.Execute(func() (*conn, error) { return l.connect(ctx) })
		switch {
		case err != nil:
			l.parent.noteDown(l, err)
		case conn == nil:
			l.parent.noteUp(l, Classic, nil)
			l.probe(ctx)
		default:
			l.parent.noteUp(l, Native, conn)
			conn.converse(ctx, func(err error) { l.parent.noteDown(l, err) }, func(k lease.Kind, text string) { l.parent.hear(conn, k, text) })
		}
		if time.Since(began) < retryEvery {
			_ = periodic.Sleep(ctx, retryEvery)
		}
	}
}

// probe watches a daemon of PoolCounter's protocol over a silent connection. It returns when the
// connection ends, because a thumbmill coordinator may have replaced the daemon then.
func (l *link) probe(ctx context.Context) {
	dial, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	c, err := poolcounter.DialConn(dial, l.address)
	if err != nil {
		return
	}
	defer func() { _ = c.Close() }()
	for ctx.Err() == nil {
		_ = c.SetReadDeadline(time.Now().Add(lease.Silence))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
	}
}

// connect dials and greets the coordinator. It returns nil without an error for a daemon that
// speaks only PoolCounter's protocol.
func (l *link) connect(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	raw, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	_ = raw.SetDeadline(deadline)
	in := bufio.NewReaderSize(raw, lease.ReaderSize) // also holds the frames that follow the greeting at once
	if err = lease.Greet(raw, in, l.parent.name, l.parent.secret); err == nil {
		err = raw.SetDeadline(time.Time{})
	}
	if err != nil {
		_ = raw.Close()
		// With a secret or a certificate, the edge asks only coordinators that prove to be real. A
		// daemon of PoolCounter's protocol cannot.
		if errors.Is(err, lease.ErrNotSpoken) && l.parent.secret == "" && l.parent.tls == nil {
			return nil, nil //nolint:nilnil // as the comment says
		}
		return nil, err
	}
	heard := attentive{raw, in, func() { l.parent.suspect(l) }}
	return &conn{raw: raw, in: bufio.NewReaderSize(heard, lease.ReaderSize), out: lease.NewOutbox(raw), answers: map[uint64]chan<- lease.Answer{}}, nil
}

// dial connects, with TLS if the settings have it. A unix socket has no TLS.
func (l *link) dial(ctx context.Context) (net.Conn, error) {
	raw, err := poolcounter.DialConn(ctx, l.address)
	if err != nil || l.parent.tls == nil || raw.RemoteAddr().Network() == "unix" {
		return raw, err
	}
	config := l.parent.tls.Clone()
	if config.ServerName, _, err = net.SplitHostPort(l.address); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	c := tls.Client(raw, config)
	if err := c.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return c, nil
}

// conn is one connection in the native protocol.
type conn struct {
	raw net.Conn
	in  *bufio.Reader
	out *lease.Outbox

	// Guarded by the Coordinators' mutex.
	willing bool // the coordinator understands directives and the fleet
	counts  bool // the coordinator counts the requests that this edge turns away

	mu      sync.Mutex
	answers map[uint64]chan<- lease.Answer // by ID of a request under way; each takes one answer
	lost    bool
}

// hearing takes a frame that answers no request: KindDirective or KindTurned.
type hearing func(k lease.Kind, text string)

// converse reads answers and other frames until the connection is lost or ctx ends. It calls lost
// before it closes the channels of waiting requests, so those requests do not come back to this
// connection.
func (c *conn) converse(ctx context.Context, lost func(error), hear hearing) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	group.Go(c.out.Write)
	group.Go(func() { c.beat(ctx) })
	lost(c.readFrames(hear))
	cancel()
	c.lose()
	c.out.End()
	group.Wait()
}

// beat tells the coordinator that this edge lives. When ctx ends, it closes the connection, which
// alone ends the reader.
func (c *conn) beat(ctx context.Context) {
	periodic.Do(ctx, lease.Beat, func(context.Context) { c.sendFrame(lease.AppendBeat) })
	_ = c.raw.Close()
}

func (c *conn) readFrames(hear hearing) error {
	for {
		kind, body, err := lease.ReadFrame(c.in)
		if err != nil {
			return err
		}
		switch kind {
		case lease.KindBeat:
			continue
		case lease.KindDirective, lease.KindTurned:
			hear(kind, body)
			continue
		}
		answer, err := lease.ParseAnswer(kind, body)
		if err != nil {
			return err
		}
		c.deliver(answer)
	}
}

// deliver sends an answer to the request that waits for it. A grant without a waiting request was
// cancelled meanwhile; the cancellation ends its lease at the coordinator.
func (c *conn) deliver(a lease.Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if waiting := c.answers[a.ID]; waiting != nil {
		delete(c.answers, a.ID)
		waiting <- a
	}
}

// lose closes the connection, and the channels of all waiting requests.
func (c *conn) lose() {
	_ = c.raw.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = true
	for id, waiting := range c.answers {
		delete(c.answers, id)
		close(waiting)
	}
}

func (c *conn) sendFrame(frame func([]byte) []byte) {
	c.out.Add(frame)
	c.out.Wake()
}

// sendRequest sends a request. The channel receives the answer, or is closed when the connection is
// lost.
func (c *conn) sendRequest(r lease.Request) <-chan lease.Answer {
	answer := make(chan lease.Answer, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost {
		close(answer)
		return answer
	}
	c.answers[r.ID] = answer
	c.sendFrame(func(out []byte) []byte { return lease.AppendRequest(out, lease.KindAcquire, r) })
	return answer
}

// cancelRequest takes a request back. It also ends the lease if the coordinator has granted it.
func (c *conn) cancelRequest(id uint64) {
	c.mu.Lock()
	delete(c.answers, id)
	c.mu.Unlock()
	c.release(id, lease.Vanished, "")
}

func (c *conn) release(id uint64, o lease.Outcome, payload string) {
	c.sendFrame(func(out []byte) []byte { return lease.AppendRelease(out, id, o, payload) })
}
