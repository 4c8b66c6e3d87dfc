// Package intake pulls jobs while the renderer has room, keeps them alive, and
// hands back what a draining renderer has not begun.
//
// Each lane is pulled by a goroutine of its own, one message at a time. A pull
// that was waiting when the room went is not taken back, since a message could
// cross it and be lost until AckWait; what it brings is handed on to another
// renderer instead.
package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/queue"
	"github.com/thumbmill/thumbmill/shared/renderjob"
)

const (
	pullWait       = time.Second // a drain waits as long for the pulls under way
	pause          = 200 * time.Millisecond
	publishTimeout = 3 * time.Second
	calibrateEvery = 5 * time.Second
)

// ErrNotBegun says that a job was given up before its render began.
var ErrNotBegun = errors.New("the renderer drains; the job was not begun")

// ErrLong says that a job of the standard lane will take long, as its original's
// header shows: it belongs among the expensive ones, which cannot take all slots.
var ErrLong = errors.New("the job belongs to the expensive lane")

// ErrSlow says that a job's first try took too long: it goes by the bulk lane from now on,
// to be rendered beside the slots.
var ErrSlow = errors.New("the job takes longer than a first try may")

// Delivery is a job in hand.
type Delivery struct {
	Job        renderjob.Job
	Deliveries int           // this one included, over all renderers
	Age        time.Duration // since it was published, by the server's clock
	Arrived    time.Time     // here
}

// Left is what remains of the job's deadline.
func (d Delivery) Left() time.Duration {
	return time.Duration(d.Job.DeadlineMS)*time.Millisecond - d.Age - time.Since(d.Arrived)
}

// Processor does a job. It returns ErrNotBegun when drain was closed before the
// render began, and nil for everything that was answered for, faults included.
type Processor interface {
	Process(ctx context.Context, drain <-chan struct{}, d Delivery) error
}

// Config is what an intake is made of.
type Config struct {
	Renderer  string // this renderer's name
	JetStream jetstream.JetStream
	Slots     int
	Ahead     int
	Processor Processor
	Log       *slog.Logger
}

// Intake pulls from all lanes.
type Intake struct {
	config    Config
	room      *room
	clock     clock
	consumers map[renderjob.Lane]jetstream.Consumer

	untilDrain context.Context //nolint:containedctx // ends when no further job is begun
	drain      context.CancelFunc
	pulling    context.Context //nolint:containedctx // the intake's own life
	cancel     context.CancelFunc
	loops      sync.WaitGroup
	jobs       sync.WaitGroup
	taking     sync.Mutex
}

// New makes an intake.
func New(c Config) *Intake {
	in := &Intake{
		config: c, room: newRoom(c.Slots, c.Ahead), consumers: map[renderjob.Lane]jetstream.Consumer{},
	}
	in.pulling, in.cancel = context.WithCancel(context.Background())
	in.untilDrain, in.drain = context.WithCancel(in.pulling)
	return in
}

// InHand is how many jobs are pulled and not acknowledged.
func (in *Intake) InHand() int { return in.room.count() }

// Resize changes how many slots jobs are pulled for: fewer when memory runs short.
func (in *Intake) Resize(slots int) { in.room.resize(slots) }

// Pause takes no new jobs until it is told otherwise; what is in hand goes on.
func (in *Intake) Pause(paused bool) { in.room.pause(paused) }

// Draining reports whether the intake takes no new jobs.
func (in *Intake) Draining() bool {
	return in.untilDrain.Err() != nil
}

// Drain takes no further jobs.
func (in *Intake) Drain() { in.drain() }

// Start finds the consumers and begins to pull.
func (in *Intake) Start(ctx context.Context) error {
	for _, lane := range renderjob.Lanes() {
		consumer, err := in.config.JetStream.Consumer(ctx, queue.Stream, lane.Consumer())
		if err != nil {
			return fmt.Errorf("lane %s: %w", lane, err)
		}
		if err := in.clock.calibrate(ctx, consumer); err != nil {
			return fmt.Errorf("lane %s: %w", lane, err)
		}
		in.consumers[lane] = consumer
	}
	for lane, consumer := range in.consumers {
		in.loops.Go(func() { in.pull(lane, consumer) })
	}
	in.loops.Go(func() { periodic.Do(in.untilDrain, calibrateEvery, in.calibrate) })
	return nil
}

// Stop drains: pulls under way end, jobs that render are finished, those that
// do not yet are handed back. When ctx ends before, the rest is given up, and
// comes to other renderers after AckWait.
func (in *Intake) Stop(ctx context.Context) error {
	in.Drain()
	in.taking.Lock()
	in.taking.Unlock() //nolint:staticcheck // only the wait counts
	done := make(chan struct{})
	go func() { in.loops.Wait(); in.jobs.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("%d jobs were given up: %w", in.InHand(), ctx.Err())
	}
	in.cancel()
	<-done
	return err
}

// pull takes one message after the other while the lane has room: what waits already, or
// what comes.
func (in *Intake) pull(lane renderjob.Lane, consumer jetstream.Consumer) {
	for in.room.turn(in.untilDrain, lane) == nil {
		got, err := in.pullFrom(lane, func() (jetstream.MessageBatch, error) { return consumer.FetchNoWait(1) })
		in.room.done()
		if in.Draining() {
			return
		}
		if !got && err == nil {
			_, err = in.pullFrom(lane, func() (jetstream.MessageBatch, error) {
				return consumer.Fetch(1, jetstream.FetchMaxWait(pullWait))
			})
		}
		if err != nil {
			in.config.Log.Debug("pull", "lane", lane, "error", err)
			_ = periodic.Sleep(in.untilDrain, pause) // turn sees the end
		}
	}
}

func (in *Intake) pullFrom(lane renderjob.Lane, fetch func() (jetstream.MessageBatch, error)) (got bool, err error) {
	batch, err := fetch()
	if err != nil {
		return false, err
	}
	for msg := range batch.Messages() {
		got = true
		in.accept(lane, msg)
	}
	return got, batch.Error()
}

func (in *Intake) accept(lane renderjob.Lane, msg jetstream.Msg) {
	d, err := in.readDelivery(msg)
	if err != nil {
		in.config.Log.Warn("a job that cannot be read", "lane", lane, "error", err)
		in.decline(msg, err)
		return
	}
	if in.Draining() || !in.room.enter(lane) {
		in.handBack(msg, d)
		return
	}
	in.jobs.Go(func() {
		defer in.room.leave(lane)
		if !in.handOver(msg, d) {
			in.process(msg, d)
		}
	})
}

var errNewer = errors.New("a job of a newer version than this renderer knows")

// decline leaves a newer job to a newer renderer, and ends what nobody can read.
func (in *Intake) decline(msg jetstream.Msg, why error) {
	if errors.Is(why, errNewer) {
		in.logAck(msg.NakWithDelay(time.Second))
		return
	}
	in.logAck(msg.Term())
}

func (in *Intake) readDelivery(msg jetstream.Msg) (Delivery, error) {
	d := Delivery{Arrived: time.Now()}
	var err error
	if d.Job, err = renderjob.ReadJob(msg.Headers(), msg.Data()); err != nil {
		return d, err
	}
	if d.Job.Version > renderjob.Version {
		return d, fmt.Errorf("%w: %d", errNewer, d.Job.Version)
	}
	meta, err := msg.Metadata()
	if err != nil {
		return d, err
	}
	d.Deliveries = d.Job.Attempt + int(min(meta.NumDelivered, 1000))
	d.Age = in.clock.age(meta.Timestamp)
	return d, nil
}

// process does the job, and tells the server all the while that it lives.
func (in *Intake) process(msg receipt, d Delivery) {
	stop := in.keepAlive(msg)
	err := in.config.Processor.Process(in.pulling, in.untilDrain.Done(), d)
	stop()
	switch {
	case errors.Is(err, ErrLong):
		d.Job.Lane = renderjob.LaneExpensive
		in.handBack(msg, d)
	case errors.Is(err, ErrSlow):
		d.Job.Lane, d.Job.Slow = renderjob.LaneBulk, true
		in.handBack(msg, d)
	case errors.Is(err, ErrNotBegun):
		in.handBack(msg, d)
	case err != nil:
		in.config.Log.Warn("a job was given up", "job", d.Job.ID, "error", err)
	default:
		in.logAck(msg.Ack())
	}
}

// keepAlive tells the server every third of AckWait that the job is in progress, until stop
// returns. It is a timer instead of a goroutine, because few jobs take that long.
func (in *Intake) keepAlive(msg receipt) (stop func()) {
	var mu sync.Mutex
	mu.Lock() // until timer is set
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

// handBack publishes a job again for another renderer, its count of attempts
// unchanged, and only then acknowledges it. A negative acknowledgement would
// count as a delivery, and three drains would lose a job that nobody tried.
func (in *Intake) handBack(msg receipt, d Delivery) {
	job := d.Job
	job.Attempt = d.Deliveries - 1
	job.DeadlineMS = d.Left().Milliseconds()
	job.StartWithinMS = max(job.StartWithinMS-d.Age.Milliseconds(), deadline.StartAgain.Milliseconds())
	if job.Slow { // it was begun before, and waits for a place as long as its client does
		job.StartWithinMS = job.DeadlineMS
	}
	if job.DeadlineMS <= 0 {
		in.logAck(msg.Ack())
		return
	}
	message, err := job.Message()
	if err != nil {
		in.config.Log.Error("hand back", "job", job.ID, "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), publishTimeout)
	defer cancel()
	_, err = in.config.JetStream.PublishMsg(ctx, message,
		jetstream.WithMsgID(job.ID+"-"+nuid.Next()), jetstream.WithMsgTTL(renderjob.TTL(d.Left())))
	if err != nil { // it stays unacknowledged, and comes to another after AckWait
		in.config.Log.Warn("a job could not be handed back", "job", job.ID, "error", err)
		return
	}
	in.logAck(msg.Ack())
}

func (in *Intake) logAck(err error) {
	if err != nil {
		in.config.Log.Debug("acknowledge", "error", err)
	}
}

// calibrate sets the clock by what the server tells of each consumer.
func (in *Intake) calibrate(ctx context.Context) {
	for _, consumer := range in.consumers {
		ctx, cancel := context.WithTimeout(ctx, publishTimeout)
		err := in.clock.calibrate(ctx, consumer)
		cancel()
		if err != nil {
			in.config.Log.Debug("the server's clock", "error", err)
		}
	}
}
