// Package intake pulls jobs while the renderer has room, keeps them alive, and hands back the
// jobs that a draining renderer has not begun.
//
// Each lane has a goroutine that pulls one message at a time. The intake does not cancel a pull
// when the room is used up: that would cost more than most pulls, and a message could cross the cancellation.
// Instead the intake hands the pulled job back to the queue, for another renderer.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/stack"
)

const (
	// pullWait is long, because idle renderers' pulls cost NATS more than anything else that they do (BenchmarkPulls of
	// loadtest/suites/fleet). It is shorter than deadline.Start: jobs begin in time even if NATS lost a pull.
	pullWait       = 10 * time.Second
	pause          = 200 * time.Millisecond
	publishTimeout = 3 * time.Second
	calibrateEvery = 5 * time.Second
)

// ErrNotBegun says that the renderer drained before the job's render began.
var ErrNotBegun = errors.New("the renderer drains; the job was not begun")

// ErrLong says that a job of the standard lane will take long, as the original's header shows.
// The job belongs to the expensive lane, which cannot take all slots.
var ErrLong = errors.New("the job belongs to the expensive lane")

// ErrSlow says that a job's first try took too long. The job goes back by the bulk lane, and is
// then rendered beside the slots.
var ErrSlow = errors.New("the job takes longer than the limit of a first try")

// Moved is the error of Process for a job that belongs to another lane.
type Moved struct {
	Why  error  // ErrLong or ErrSlow
	Tell func() // tells the job's edge that the job moved; the intake calls it once the queue has the job in its other lane
}

// Error implements error.
func (m *Moved) Error() string { return m.Why.Error() }

// Unwrap returns Why.
func (m *Moved) Unwrap() error { return m.Why }

// Delivery is a job in hand.
type Delivery struct {
	Job        renderjob.Job
	Deliveries int           // the deliveries over all renderers, with this one
	Age        time.Duration // the time from publishing to delivery, by the server's clock
	Arrived    time.Time     // the time of delivery, by this host's clock
	Behind     uint64        // the jobs that waited behind it in its lane
	Place      *Place        // the job's place in the room; nil for a job that has none, such as a sibling
	Begun      bool          // the edge expects the job to begin: it is told, and not asked
}

// Left returns the time to the job's deadline.
func (d Delivery) Left() time.Duration {
	return time.Duration(d.Job.DeadlineMS)*time.Millisecond - d.Age - time.Since(d.Arrived)
}

// Processor does a job. Process returns nil if the edge got an answer, even if the answer is a
// fault. It returns ErrNotBegun if drain was closed before the render began, and a *Moved if the
// job belongs to another lane.
type Processor interface {
	Process(ctx context.Context, drain <-chan struct{}, d Delivery) error
}

// Config has the settings and the dependencies of an intake.
type Config struct {
	Renderer  string // this renderer's name
	Site      string // this renderer's; "" where there is one site
	JetStream jetstream.JetStream
	Slots     int
	Ahead     int // jobs that are pulled beyond the slots
	Processor Processor
	Log       *slog.Logger
}

// Intake pulls jobs from all lanes.
type Intake struct {
	config Config
	room   *room
	clock  clock

	untilDrain context.Context //nolint:containedctx // ends when the renderer begins no more jobs
	drain      context.CancelFunc
	pulling    context.Context //nolint:containedctx // ends with the intake
	cancel     context.CancelFunc
	loops      sync.WaitGroup
	jobs       sync.WaitGroup
	taking     sync.Mutex
	guests     guests
}

// New returns an intake that does not pull yet.
func New(c Config) *Intake {
	in := &Intake{config: c, room: newRoom(c.Slots, c.Ahead)}
	in.pulling, in.cancel = context.WithCancel(context.Background())
	in.untilDrain, in.drain = context.WithCancel(in.pulling)
	return in
}

// InHand returns the number of jobs that are pulled and not acknowledged.
func (in *Intake) InHand() int { return in.room.count() }

// Resize changes the number of slots that the intake pulls jobs for. The renderer uses fewer
// slots when memory runs short.
func (in *Intake) Resize(slots int) { in.room.resize(slots) }

// Pause stops taking new jobs if paused is true, and resumes otherwise. Jobs in hand go on.
func (in *Intake) Pause(paused bool) { in.room.pause(paused) }

// Draining reports whether the intake takes no new jobs.
func (in *Intake) Draining() bool {
	return in.untilDrain.Err() != nil
}

// Drain stops taking new jobs for good. Jobs in hand go on.
func (in *Intake) Drain() { in.drain() }

// Start reads the server's time and begins to pull. It returns an error if the server does not tell its time before ctx
// ends.
func (in *Intake) Start(ctx context.Context) error {
	calibrate := func(ctx context.Context) error { return in.clock.calibrate(ctx, in.config.JetStream) }
	if err := queue.Persist(ctx, calibrate); err != nil {
		return fmt.Errorf("read the server's time: %w", err)
	}
	return in.begin()
}

// begin starts the goroutines, or returns an error and starts none.
func (in *Intake) begin() error {
	var pullers []*puller
	for _, lane := range renderjob.Lanes() {
		p, err := newPuller(in.config.JetStream.Conn(), lane)
		if err != nil {
			closeAll(pullers)
			return err
		}
		pullers = append(pullers, p)
	}
	if err := in.watchPulls(pullers); err != nil {
		closeAll(pullers)
		return err
	}
	for _, p := range pullers {
		in.loops.Go(func() { in.pull(p) })
	}
	in.loops.Go(func() { periodic.Do(in.untilDrain, calibrateEvery, in.calibrate) })
	return nil
}

// Stop drains and waits: pulls end, jobs that render are finished, and the other jobs
// are handed back. If ctx ends first, Stop cancels the remaining jobs and returns an error; the
// queue delivers these jobs to other renderers after AckWait.
func (in *Intake) Stop(ctx context.Context) error {
	in.Drain()
	in.taking.Lock()
	in.taking.Unlock() //nolint:staticcheck // Stop only waits for the lock
	done := make(chan struct{})
	go func() { in.loops.Wait(); in.jobs.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("stop the intake: %d jobs are not finished: %w", in.InHand(), ctx.Err())
	}
	in.cancel()
	<-done
	return err
}

// pull takes one job after the other while the lane has room. If jobs may wait already, or if other lanes want the same
// room, it first takes a job that waits, and else waits for a new one.
func (in *Intake) pull(p *puller) {
	for in.room.turn(in.untilDrain, p.lane) == nil {
		var got bool
		var err error
		if p.more || in.room.isContested() {
			got, err = in.pullOnce(p, 0)
		}
		in.room.done()
		if in.Draining() {
			break
		}
		if !got && err == nil {
			_, err = in.pullOnce(p, pullWait)
		}
		if err != nil {
			in.config.Log.Debug("pull jobs", "lane", p.lane, "error", err)
			_ = periodic.Sleep(in.untilDrain, pause) // turn notices a drain
		}
	}
	for _, late := range p.close() {
		in.accept(p, late)
	}
}

func (in *Intake) pullOnce(p *puller, wait time.Duration) (got bool, err error) {
	msg, err := p.pull(wait, in.untilDrain.Done())
	if msg == nil || err != nil {
		return false, err
	}
	in.accept(p, msg)
	return true, nil
}

func (in *Intake) accept(p *puller, msg *nats.Msg) {
	d, more, err := in.readDelivery(msg)
	p.more = more
	if err != nil {
		in.config.Log.Warn("read a job", "lane", p.lane, "error", err)
		in.decline(msg, err)
		return
	}
	r := receipt{p.conn, msg.Reply}
	k := kind{p.lane, d.Job.Slow}
	if in.Draining() || !in.room.enter(k) {
		in.handBack(r, d)
		return
	}
	d.Place = &Place{room: in.room, kind: k}
	in.jobs.Go(func() {
		defer d.Place.leave()
		stack.Reserve()
		if !in.handOver(r, d) {
			in.process(r, d)
		}
	})
}

var errNewer = errors.New("the job has a newer version than this renderer knows")

// decline leaves a job of a newer version to a newer renderer, and ends jobs that are unreadable.
func (in *Intake) decline(msg *nats.Msg, why error) {
	if errors.Is(why, errNewer) {
		in.logAck(msg.NakWithDelay(time.Second))
		return
	}
	in.logAck(msg.Term())
}

// readDelivery parses a job's message. more says that the lane has further jobs.
func (in *Intake) readDelivery(msg *nats.Msg) (d Delivery, more bool, err error) {
	d.Arrived = time.Now()
	meta, err := msg.Metadata()
	if err != nil {
		return d, false, err
	}
	d.Behind = meta.NumPending
	more = d.Behind > 0
	if d.Job, err = renderjob.ReadJob(msg.Header, msg.Data); err != nil {
		return d, more, err
	}
	if d.Job.Version > renderjob.Version {
		return d, more, fmt.Errorf("%w: version %d; this renderer knows versions up to %d", errNewer, d.Job.Version, renderjob.Version)
	}
	d.Deliveries = d.Job.Attempt + int(min(meta.NumDelivered, 1000))
	d.Age = in.clock.age(meta.Timestamp)
	return d, more, nil
}

// process does the job, and keeps telling the server that the job is in progress.
func (in *Intake) process(msg receipt, d Delivery) {
	if d.Job.Site != in.config.Site {
		in.guests.add(d.Job.Site, 1)
		defer in.guests.add(d.Job.Site, -1)
	}
	stop := in.keepAlive(msg)
	err := in.config.Processor.Process(in.pulling, in.untilDrain.Done(), d)
	stop()
	var moved *Moved
	switch {
	case errors.As(err, &moved):
		in.move(msg, d, moved)
	case errors.Is(err, ErrNotBegun):
		in.handBack(msg, d)
	case err != nil:
		in.config.Log.Warn("give up a job", "job", d.Job.ID, "error", err)
	default:
		in.logAck(msg.Ack())
	}
}

// move hands a job back by its other lane, and then tells the edge. If the queue refuses the job, because the other lane
// is full, the edge hears nothing: the job stays in its first lane, whose place the edge keeps, and another renderer
// tries it there after AckWait.
func (in *Intake) move(msg receipt, d Delivery, m *Moved) {
	d.Job.Lane = renderjob.LaneExpensive
	if errors.Is(m.Why, ErrSlow) {
		d.Job.Lane, d.Job.Slow = renderjob.LaneBulk, true
	}
	switch {
	case in.handBack(msg, d):
		m.Tell()
	case msg.subject == "": // no queue has the job: it goes on here, in its place
		in.process(msg, d)
	}
}

// keepAlive tells the server every third of AckWait that the job is in progress, until stop
// returns. It is a timer instead of a goroutine, because few jobs take that long.
func (in *Intake) keepAlive(msg receipt) (stop func()) {
	var mu sync.Mutex
	mu.Lock() // the callback waits until timer is set
	defer mu.Unlock()
	ended := false
	var timer *time.Timer
	timer = time.AfterFunc(deadline.AckWait/3, func() {
		mu.Lock()
		defer mu.Unlock()
		if ended || in.pulling.Err() != nil {
			return
		}
		in.logAck(msg.InProgress())
		timer.Reset(deadline.AckWait / 3)
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		timer.Stop()
	}
}

// handBack publishes a job again for another renderer, with the same count of attempts, and then
// acknowledges the delivery. A negative acknowledgement would count as a delivery, so three drains
// would lose a job that no renderer tried. handBack reports whether the queue has the job again; it has not after the
// job's deadline, and when it refuses the job.
func (in *Intake) handBack(msg receipt, d Delivery) (taken bool) {
	job := d.Job
	job.Attempt = d.Deliveries - 1
	job.DeadlineMS = d.Left().Milliseconds()
	job.StartWithinMS = max(job.StartWithinMS-d.Age.Milliseconds(), deadline.StartAgain.Milliseconds())
	if job.Slow { // a renderer began the job before, and now the job may wait until its deadline
		job.StartWithinMS = job.DeadlineMS
	}
	if job.DeadlineMS <= 0 {
		in.logAck(msg.Ack())
		return false
	}
	message, err := job.Message()
	if err != nil {
		in.config.Log.Error("encode a job to hand back", "job", job.ID, "error", err)
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	_, err = in.config.JetStream.PublishMsg(ctx, message,
		jetstream.WithMsgID(job.ID+"-"+nuid.Next()), jetstream.WithMsgTTL(renderjob.TTL(d.Left())))
	if err != nil { // the job stays unacknowledged, and goes to another renderer after AckWait
		in.config.Log.Warn("hand back a job", "job", job.ID, "error", err)
		return false
	}
	in.logAck(msg.Ack())
	return true
}

func (in *Intake) logAck(err error) {
	if err != nil {
		in.config.Log.Debug("acknowledge a job", "error", err)
	}
}

// calibrate sets the clock again.
func (in *Intake) calibrate(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if err := in.clock.calibrate(ctx, in.config.JetStream); err != nil {
		in.config.Log.Debug("read the server's time", "error", err)
	}
}
