package intake

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const (
	// answerWithin bounds the server's answer to a pull, after the time for which the pull waits.
	answerWithin = time.Second
	// mostArrived bounds the messages that the puller has not read: one job, and the ends of earlier pulls that the
	// server answered late.
	mostArrived = 64
)

// puller pulls the jobs of one lane, one at a time, over one subscription that lasts. Pulls of package jetstream
// subscribe and unsubscribe each time, which takes longer than the pull. A puller is for one goroutine.
type puller struct {
	lane    renderjob.Lane
	conn    *nats.Conn
	pulls   string // the subject of pulls of the lane's consumer
	ends    string // the reply subject of a pull, without its number
	sub     *nats.Subscription
	arrived chan *nats.Msg
	again   chan struct{} // receives a value when the pull under way may be lost
	number  int           // of the latest pull
	more    bool          // the lane had more jobs behind the latest one
}

// newPuller returns a puller that the caller must close.
func newPuller(conn *nats.Conn, lane renderjob.Lane) (*puller, error) {
	p := &puller{
		lane: lane, conn: conn, pulls: "$JS.API.CONSUMER.MSG.NEXT." + queue.Stream + "." + lane.Consumer(), ends: conn.NewInbox() + ".",
		arrived: make(chan *nats.Msg, mostArrived), again: make(chan struct{}, 1), more: true,
	}
	var err error
	if p.sub, err = queue.SubscribePulls(conn, p.ends, p.arrived); err != nil {
		return nil, fmt.Errorf("subscribe to the jobs of lane %s: %w", lane, err)
	}
	return p, nil
}

// close ends the subscription and with it the pull under way, and returns the jobs that arrived late. The server delivers
// a job to another renderer when it finds no subscription. Only if the server of this renderer is not the one with the lane's
// consumer, a job can cross the end of the subscription; it then waits for AckWait.
func (p *puller) close() (late []*nats.Msg) {
	if p.sub.Drain() == nil { // fails only on a closed connection
		_ = p.conn.FlushTimeout(answerWithin) // jobs that the server sent before are here then
	}
	for m := p.waiting(); m != nil; m = p.waiting() {
		late = append(late, m)
	}
	return late
}

var (
	errNoAnswer = errors.New("NATS does not answer a pull")
	errNoServer = errors.New("no pull while NATS is not connected")
)

// pullAgain ends the pull under way, which NATS may have lost.
func (p *puller) pullAgain() {
	select {
	case p.again <- struct{}{}:
	default: // an earlier call is still in the channel
	}
}

// pull returns the lane's next job, or nil if none comes within wait, or until stop is closed. After 0 it only takes a job
// that waits already. Without a connection it returns an error: the client would send all pulls of an outage at once, and
// get as many jobs.
func (p *puller) pull(wait time.Duration, stop <-chan struct{}) (*nats.Msg, error) {
	if !p.conn.IsConnected() {
		return nil, errNoServer
	}
	select {
	case <-p.again: // of an earlier pull
	default:
	}
	if late := p.waiting(); late != nil {
		return late, nil
	}
	p.number++
	reply, request := p.ends+strconv.Itoa(p.number), `{"batch":1,"no_wait":true}`
	if wait > 0 {
		request = fmt.Sprintf(`{"batch":1,"expires":%d}`, wait.Nanoseconds())
	}
	if err := p.conn.PublishRequest(p.pulls, reply, []byte(request)); err != nil {
		return nil, err
	}
	limit := time.NewTimer(wait + answerWithin)
	defer limit.Stop()
	for {
		select {
		case m := <-p.arrived:
			switch {
			case p.isJob(m):
				return m, nil
			case m.Subject == reply:
				p.more = false
				return nil, reason(m)
			}
		case <-p.again:
			return nil, nil //nolint:nilnil // as the comment says
		case <-stop:
			return nil, nil //nolint:nilnil // as the comment says
		case <-limit.C:
			return nil, errNoAnswer
		}
	}
}

// waiting returns a job of an earlier pull that arrived after its end, or nil.
func (p *puller) waiting() *nats.Msg {
	for {
		select {
		case m := <-p.arrived:
			if p.isJob(m) {
				return m
			}
		default:
			return nil
		}
	}
}

// isJob reports whether a message is a job of the lane. Jobs keep the subject of their publisher.
func (p *puller) isJob(m *nats.Msg) bool { return m.Subject == p.lane.Subject() }

// reason returns why a pull ended without a job, or nil if the lane has none.
func reason(m *nats.Msg) error {
	switch status := m.Header.Get("Status"); status {
	case noMessages, expired:
		return nil
	default:
		return fmt.Errorf("NATS ends a pull with status %s: %s", status, m.Header.Get("Description"))
	}
}

// The statuses of JetStream's protocol for pulls without a job.
const (
	noMessages = "404"
	expired    = "408"
)
