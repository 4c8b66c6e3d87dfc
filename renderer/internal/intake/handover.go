package intake

import (
	"time"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/stack"
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

// Take takes a job that another renderer pulled, or that an edge hands over, if a slot is free, and answers
// Taken or Busy. The job then belongs to this renderer, as if this renderer had pulled the job: if this renderer
// dies, the queue delivers the job again, or its edge publishes it again.
func (in *Intake) Take(m *nats.Msg) {
	h, err := renderjob.ReadHandOver(m)
	if err != nil {
		in.config.Log.Warn("read a job that is handed over", "error", err)
	}
	taken := err == nil && in.takeHandOver(h)
	switch {
	case !h.AtOnce:
		err = queue.Answer(m, map[bool]string{true: renderjob.Taken, false: renderjob.Busy}[taken])
	case !taken: // Started is the answer for a job that begins
		err = in.refuse(h.Job)
	}
	if err != nil {
		in.config.Log.Warn("answer the giver of a job", "error", err)
	}
}

// refuse tells an edge that the renderer does not begin a job.
func (in *Intake) refuse(j renderjob.Job) error {
	m, err := renderjob.Result{
		Version: renderjob.Version, JobID: j.ID, State: renderjob.StateBusy, Renderer: in.config.Renderer, Site: in.config.Site, Free: in.Free(),
	}.Message(j.Edge)
	if err != nil {
		return err
	}
	return in.config.JetStream.Conn().PublishMsg(m)
}

func (in *Intake) takeHandOver(h renderjob.HandOver) bool {
	in.taking.Lock() // no job begins once Stop waits for all jobs
	defer in.taking.Unlock()
	k := kind{h.Job.Lane, h.Job.Slow}
	enter := in.room.enterFree
	if h.AtOnce {
		enter = in.room.enterIdle
	}
	if in.Draining() || !enter(k) {
		return false
	}
	d := Delivery{Job: h.Job, Deliveries: h.Deliveries, Age: h.Age, Arrived: time.Now(), Place: &Place{room: in.room, kind: k}, Begun: h.AtOnce}
	in.jobs.Go(func() {
		defer d.Place.leave()
		stack.Reserve()
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

// enterIdle is enter for a job that did not wait in the queue: it lets the job in only if free reports room.
func (r *room) enterIdle(k kind) bool {
	return r.free() > 0 && r.enter(k)
}

// Free returns the number of jobs that edges may hand over now, without a wait in the queue.
func (in *Intake) Free() int {
	if in.Draining() {
		return 0
	}
	return in.room.free()
}

// free returns the number of slots for jobs that did not wait in the queue: 0 unless each lane that has room waits for a
// new job, which shows that it has no waiting one. It leaves room for the job of a pull that waits.
func (r *room) free() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.paused || r.looking {
		return 0
	}
	for lane := range r.waiting {
		if r.hasAny(lane) {
			return 0
		}
	}
	return max(0, min(r.slots, r.total-1)-r.inHand)
}

// Free returns the number of jobs that edges may hand over now. For a nil place it returns 0, which is always true enough.
func (p *Place) Free() int {
	if p == nil {
		return 0
	}
	return p.room.free()
}
