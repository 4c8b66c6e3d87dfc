package front

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// AtHand is a handler that answers some requests at once. For such a request, net/http's server costs more than all of
// the handler: contexts, a goroutine that watches the client, four deadlines, and copies of the headers.
type AtHand interface {
	// ServeAtHand answers a request of GET or HEAD without a body, and returns true; or it writes nothing, and returns
	// false. The request has no context of its own, and nobody watches whether the client leaves.
	ServeAtHand(w http.ResponseWriter, r *http.Request) bool
}

// quick answers requests for thumbnails at hand below net/http's server, while the server waits for the next request of
// a connection. The server reads every other request, and all requests of connections that are encrypted or speak
// HTTP/2. A fuzz test compares each request with the one that http.ReadRequest reads.
//
// A connection is in step while all that the server read are whole plain heads (plainHead), one after the other. Only then
// the next byte surely begins a request. A connection that lost step once never gets it back: a request inside of
// another one would otherwise be answered.
type quick struct {
	handler AtHand // nil: every request goes to the server
	answers sync.Pool
	stopped atomic.Bool  // no answer begins any more
	running sync.RWMutex // locked for reading during an answer
}

func newQuick(handler http.Handler) *quick {
	atHand, _ := handler.(AtHand)
	return &quick{handler: atHand, answers: sync.Pool{New: func() any {
		return &answer{header: http.Header{}, asked: newHead()}
	}}}
}

// readAhead is the size of a buffer for a request's head, in bytes: as large as net/http's.
const readAhead = 4 << 10

// wait waits until no answer is under way. No other begins once stopped is set.
func (q *quick) wait() {
	q.running.Lock()
	q.running.Unlock() //nolint:staticcheck // only waits
}

// serve answers the request of a plain head, and reports whether it did. An error means that the connection is of no
// more use.
func (q *quick) serve(g *gathering, plain []byte) (served bool, err error) {
	if q.handler == nil || !q.running.TryRLock() {
		return false, nil
	}
	defer q.running.RUnlock()
	a := q.answers.Get().(*answer)
	defer q.answers.Put(a)
	r := a.asked.read(plain)
	if r == nil {
		return false, nil
	}
	_ = g.SetWriteDeadline(time.Now().Add(WriteSlack))
	if !g.begin() {
		return false, nil
	}
	ended := false
	defer func() {
		if !ended { // the handler panicked: net/http's server logs that, and closes the connection
			_ = g.end(nil)
		}
	}()
	if !q.stopped.Load() {
		a.begin(g, r)
		if served = q.handler.ServeAtHand(a, r); served {
			err = a.end()
		}
		g.looked.Store(a.looked)
	}
	a.conn, ended = nil, true
	return served, g.end(err)
}

// answer writes one answer of HTTP/1.1.
type answer struct {
	asked    *head
	conn     *gathering
	header   http.Header
	bodiless bool  // of HEAD: the answer has no body
	status   int   // 0: no head is written
	sized    bool  // the head tells the length of the body
	left     int64 // bytes of this length that are not written yet
	whole    bool  // the head has its end
	close    bool
	looked   bool   // see Looked
	dated    int64  // Unix seconds of date
	date     []byte // the header's value
	head     bytes.Buffer
	held     []byte // the begin of a short body without a known length
	err      error  // of the connection
}

// short is the size up to which a body without a known length is held until its end, in bytes: a refusal's.
const short = 2 << 10

func (a *answer) begin(g *gathering, r *http.Request) {
	clear(a.header)
	a.held = a.held[:0]
	a.conn, a.bodiless, a.status, a.whole, a.close, a.looked, a.err = g, r.Method == http.MethodHead, 0, false, false, false, nil
	r.RemoteAddr = g.remote
}

// Header returns the headers of the answer.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader prepares the head. The first write sends it.
func (a *answer) WriteHeader(status int) {
	if a.status != 0 {
		return
	}
	a.status = status
	a.measure()
	a.head.Reset()
	for _, text := range []string{"HTTP/1.1 ", strconv.Itoa(status), " ", http.StatusText(status), "\r\nDate: "} {
		a.head.WriteString(text)
	}
	a.head.Write(a.today())
	a.head.WriteString("\r\n")
	for name, values := range a.header {
		a.writeField(name, values)
	}
}

// today returns the time as the header Date has it. To format it takes longer than the rest of the head.
func (a *answer) today() []byte {
	if now := time.Now(); now.Unix() != a.dated {
		a.dated, a.date = now.Unix(), now.UTC().AppendFormat(a.date[:0], http.TimeFormat)
	}
	return a.date
}

// measure notes the length of the body that the headers tell.
func (a *answer) measure() {
	a.left, a.sized = 0, a.status == http.StatusNotModified
	if told := a.header["Content-Length"]; len(told) == 1 && !a.sized {
		var err error
		a.left, err = strconv.ParseInt(told[0], 10, 64)
		a.sized = err == nil
	}
}

// endHead ends the head. At the end of the answer, the held body is all of it.
func (a *answer) endHead(atEnd bool) {
	if a.whole {
		return
	}
	a.whole = true
	switch {
	case a.sized:
	case atEnd && a.bodiless:
	case atEnd:
		a.head.WriteString("Content-Length: ")
		a.head.WriteString(strconv.Itoa(len(a.held)))
		a.head.WriteString("\r\n")
	default:
		a.close = true
		a.head.WriteString("Connection: close\r\n")
	}
	a.head.WriteString("\r\n")
}

// writeField writes the lines of a header. http.Header.Write would sort them first, which costs as much as all the rest
// of the head.
func (a *answer) writeField(name string, values []string) {
	for _, value := range values {
		if strings.ContainsAny(value, "\r\n") {
			_ = http.Header{name: {value}}.Write(&a.head) // it replaces line ends; a buffer takes all writes
			continue
		}
		a.head.WriteString(name)
		a.head.WriteString(": ")
		a.head.WriteString(value)
		a.head.WriteString("\r\n")
	}
}

// Write sends a part of the body, behind the head if that is not sent yet.
func (a *answer) Write(p []byte) (n int, err error) {
	a.WriteHeader(http.StatusOK)
	if !a.sized && !a.whole && len(a.held)+len(p) <= short {
		a.held = append(a.held, p...)
		return len(p), nil
	}
	a.endHead(false)
	if len(a.held) > 0 && a.err == nil && !a.bodiless {
		a.head.Write(a.held)
		a.held = a.held[:0]
	}
	if a.err != nil {
		return 0, a.err
	}
	if a.bodiless {
		return len(p), nil
	}
	if a.head.Len() == 0 {
		n, a.err = a.conn.TCPConn.Write(p)
	} else {
		n, a.err = a.conn.writeBoth(a.head.Bytes(), p)
		a.head.Reset()
	}
	a.left -= int64(n)
	return n, a.err
}

// end sends a head with the held body. It returns io.EOF when the connection must close.
func (a *answer) end() error {
	a.WriteHeader(http.StatusOK)
	a.endHead(true)
	if !a.bodiless {
		a.head.Write(a.held)
	}
	if a.err == nil && a.head.Len() > 0 {
		_, a.err = a.conn.TCPConn.Write(a.head.Bytes())
	}
	if cut := a.sized && !a.bodiless && a.left != 0; a.err == nil && (a.close || cut) {
		a.err = io.EOF
	}
	return a.err
}

// Looked tells that a handler looked for the thumbnail of a request and does not have it at hand.
func Looked(w http.ResponseWriter) {
	if a, below := w.(*answer); below {
		a.looked = true
	}
}

// Soon tells that the next request of the connection may be answered at once, as after a whole picture.
func Soon(r *http.Request) {
	if g, ok := r.Context().Value(connKey{}).(*gathering); ok && r.ProtoMajor == 1 && r.TLS == nil {
		g.hits.Store(true)
	}
}

// HasLooked reports whether the handler already looked for this request's thumbnail, below the server. It reports that
// once.
func HasLooked(r *http.Request) bool {
	g, ok := r.Context().Value(connKey{}).(*gathering)
	return ok && r.ProtoMajor == 1 && g.looked.Swap(false)
}

// The states of a connection below the server.
const (
	waiting   = iota // for bytes, or the server has the connection
	answering        // an answer is under way
	leaving          // the same, and the connection must close after it
)

// begin marks the begin of an answer, and reports false for a connection that closes.
func (g *gathering) begin() bool {
	g.served.Store(true)
	return g.state.CompareAndSwap(waiting, answering)
}

// end marks the end of an answer, and returns err, or net.ErrClosed when the connection was closed meanwhile.
func (g *gathering) end(err error) error {
	g.served.Store(false)
	g.answered.Store(true)
	if !g.state.CompareAndSwap(answering, waiting) {
		_ = g.TCPConn.Close()
		return net.ErrClosed
	}
	return err
}

// Close closes the connection, after the answer that is under way.
func (g *gathering) Close() error {
	if g.state.CompareAndSwap(answering, leaving) {
		return nil
	}
	return g.TCPConn.Close()
}

// Read reads for the server, and answers requests for thumbnails at hand itself. It gives a request's head that begins near
// the end of a wait the full headerTimeout.
func (g *gathering) Read(p []byte) (int, error) {
	for {
		n, err := g.TCPConn.Read(p)
		if n > 0 && g.follow(p[:n]) && err == nil && g.hits.Load() && !g.served.Load() {
			served, err := g.quick.serve(g, p[:n])
			if err != nil {
				return 0, err
			}
			if served {
				g.waitLonger()
				continue
			}
			g.hits.Store(false)
		}
		if n > 0 && g.silent.Load() && g.silent.CompareAndSwap(true, false) && time.Until(g.ends) < headerTimeout {
			g.expiry.Reset(headerTimeout)
		}
		return n, err
	}
}

// follow notes bytes of requests, and reports whether they are one whole plain head, the first bytes of a request.
func (g *gathering) follow(p []byte) bool {
	if g.outOfStep {
		return false
	}
	if len(g.part) == 0 && plainHead(p) {
		return true
	}
	g.part = append(g.part, p...)
	switch {
	case plainHead(g.part):
		g.part = nil
	case len(g.part) > readAhead || bytes.Contains(g.part, []byte("\r\n\r\n")):
		g.part, g.outOfStep = nil, true
	}
	return false
}

// waitLonger begins the wait for a request anew, at most once in coarse.
func (g *gathering) waitLonger() {
	if now := time.Now(); g.ends.Sub(now) < g.idle-coarse {
		g.ends = now.Add(g.idle)
		g.expiry.Reset(g.idle)
	}
}

// plainHead reports whether bytes are one whole head of a request without a body, in a form that leaves no doubt where it ends.
func plainHead(head []byte) bool {
	if !bytes.HasPrefix(head, []byte("GET /")) && !bytes.HasPrefix(head, []byte("HEAD /")) {
		return false
	}
	for len(head) > 0 {
		end := bytes.IndexByte(head, '\n')
		if end < 1 || head[end-1] != '\r' {
			return false
		}
		line := head[:end-1]
		head = head[end+1:]
		if len(line) == 0 {
			return len(head) == 0
		}
		if !plainLine(line) {
			return false
		}
	}
	return false
}

// plainLine reports whether a line of a head is printable, continues no other line, and announces neither a body nor
// another protocol.
func plainLine(line []byte) bool {
	for _, b := range line {
		if b < ' ' || b > '~' {
			return false
		}
	}
	switch line[0] | 0x20 {
	case ' ':
		return false
	case 'c', 't', 'e', 'u':
		name, _, _ := bytes.Cut(line, []byte(":"))
		for _, of := range []string{"content-length", "transfer-encoding", "trailer", "te", "expect", "upgrade"} {
			if strings.EqualFold(strings.TrimSpace(string(name)), of) {
				return false
			}
		}
	}
	return true
}
