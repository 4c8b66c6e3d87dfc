package intake

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

// receipt acknowledges a job's message, by the message's reply subject.
type receipt struct {
	conn    *nats.Conn
	subject string // "" for a job that was never in the queue: nothing is acknowledged
}

// These are the acknowledgements of JetStream's protocol.
const (
	acknowledged = "+ACK"
	inProgress   = "+WPI"
)

// Ack tells the server that the job is done.
func (r receipt) Ack() error { return r.say(acknowledged) }

// InProgress tells the server that the renderer still works on the job.
func (r receipt) InProgress() error { return r.say(inProgress) }

func (r receipt) say(word string) error {
	if r.subject == "" {
		return nil
	}
	return r.conn.Publish(r.subject, []byte(word))
}

// handOver offers a job to the renderer that has the job's original on its disk, and reports
// whether that renderer takes it. That renderer takes the job only if it has a free slot now, so
// no job waits while another renderer is idle. A renderer that is gone, drains, is busy or does
// not answer costs one request.
func (in *Intake) handOver(r receipt, d Delivery) (taken bool) {
	if d.Job.Near == "" || d.Job.Near == in.config.Renderer || d.Deliveries > 1 || d.Job.Slow {
		return false
	}
	request, err := renderjob.HandOver{Job: d.Job, Deliveries: d.Deliveries, Age: d.Age + time.Since(d.Arrived), Receipt: r.subject}.Message(d.Job.Near)
	if err != nil {
		return false
	}
	answer, err := in.config.JetStream.Conn().RequestMsg(request, renderjob.HandOverTimeout)
	return err == nil && string(answer.Data) == renderjob.Taken
}

// Take takes a job that another renderer pulled, or that an edge could not publish, if a slot is free, and answers
// Taken or Busy. The job then belongs to this renderer, as if this renderer had pulled the job: if this renderer
// dies, the queue delivers the job again, or its edge publishes it again.
func (in *Intake) Take(m *nats.Msg) {
	word := renderjob.Busy
	h, err := renderjob.ReadHandOver(m)
	if err != nil {
		in.config.Log.Warn("read a job that is handed over", "error", err)
	} else if in.takeHandOver(h) {
		word = renderjob.Taken
	}
	if err := queue.Answer(m, word); err != nil {
		in.config.Log.Warn("answer the giver of a job", "error", err)
	}
}

func (in *Intake) takeHandOver(h renderjob.HandOver) bool {
	in.taking.Lock() // no job begins once Stop waits for all jobs
	defer in.taking.Unlock()
	k := kind{h.Job.Lane, h.Job.Slow}
	if in.Draining() || !in.room.enterFree(k) {
		return false
	}
	d := Delivery{Job: h.Job, Deliveries: h.Deliveries, Age: h.Age, Arrived: time.Now(), Place: &Place{room: in.room, kind: k}}
	in.jobs.Go(func() {
		defer d.Place.leave()
		in.process(receipt{in.config.JetStream.Conn(), h.Receipt}, d)
	})
	return true
}

// enterFree is enter for a job that begins at once: it lets the job in only if a slot is free,
// and not into the room for jobs that are pulled ahead.
func (r *room) enterFree(k kind) bool {
	r.mu.Lock()
	free := r.inHand < r.slots
	r.mu.Unlock()
	return free && r.enter(k)
}
