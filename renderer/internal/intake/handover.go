package intake

import (
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// receipt acknowledges a job's message.
type receipt interface {
	Ack() error
	InProgress() error
}

// byHand is the receipt of a job that another renderer pulled.
type byHand struct {
	conn    *nats.Conn
	subject string
}

// JetStream's words.
const (
	acknowledged = "+ACK"
	inProgress   = "+WPI"
)

// Ack says that the job is done.
func (b byHand) Ack() error { return b.conn.Publish(b.subject, []byte(acknowledged)) }

// InProgress says that the renderer lives.
func (b byHand) InProgress() error { return b.conn.Publish(b.subject, []byte(inProgress)) }

// handOver gives a job to the renderer that has its original on its disk, where that has a
// slot free at this moment: no job waits for one while another is idle. A renderer that is
// gone, drains, is busy or does not answer costs no more than the question.
func (in *Intake) handOver(msg jetstream.Msg, d Delivery) (taken bool) {
	if d.Job.Near == "" || d.Job.Near == in.config.Renderer || d.Deliveries > 1 || d.Job.Slow {
		return false
	}
	request, err := renderjob.HandOver{Job: d.Job, Deliveries: d.Deliveries, Age: d.Age + time.Since(d.Arrived), Receipt: msg.Reply()}.Message(d.Job.Near)
	if err != nil {
		return false
	}
	answer, err := in.config.JetStream.Conn().RequestMsg(request, renderjob.HandOverTimeout)
	return err == nil && string(answer.Data) == renderjob.Taken
}

// Take takes a job that another renderer pulled, if a slot is free, and answers whether it
// does. From then on the job is this renderer's, as if it had pulled it: when it ends under
// the job, the queue delivers that again.
func (in *Intake) Take(m *nats.Msg) {
	word := renderjob.Busy
	h, err := renderjob.ReadHandOver(m)
	if err != nil {
		in.config.Log.Warn("a job that was handed over cannot be read", "error", err)
	} else if in.take(h) {
		word = renderjob.Taken
	}
	if err := queue.Answer(m, word); err != nil {
		in.config.Log.Warn("a renderer was not answered", "error", err)
	}
}

func (in *Intake) take(h renderjob.HandOver) bool {
	in.taking.Lock() // so that none begins once Stop waits for all
	defer in.taking.Unlock()
	if in.Draining() || !in.room.enterFree(h.Job.Lane) {
		return false
	}
	d := Delivery{Job: h.Job, Deliveries: h.Deliveries, Age: h.Age, Arrived: time.Now()}
	in.jobs.Go(func() {
		defer in.room.leave(h.Job.Lane)
		in.process(byHand{in.config.JetStream.Conn(), h.Receipt}, d)
	})
	return true
}

// enterFree is enter for a job that begins at once: it takes no place of what is fetched
// ahead.
func (r *room) enterFree(lane renderjob.Lane) bool {
	r.mu.Lock()
	free := r.inHand < r.slots
	r.mu.Unlock()
	return free && r.enter(lane)
}
