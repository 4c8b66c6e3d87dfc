// Package service is how a process' parts start and stop, in order, and how the process
// itself runs until it is told to end.
//
// Every role and every process is made of parts.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/thumbmill/thumbmill/shared/service/systemd"
)

const (
	// StopWithin is how long a process takes to stop cleanly before it gives up. It is above
	// the longest render (59 s), which a renderer finishes.
	StopWithin = 75 * time.Second
	// StartWithin is how long a process waits for what it needs, such as NATS, before it gives
	// up and leaves it to its supervisor to try again.
	StartWithin = time.Minute
	// abandonWithin is how long a process that is told to stop waits for a part that is still
	// being made. It has promised nothing yet that would have to be finished.
	abandonWithin = 2 * time.Second
)

// Part is something that runs. New made it and bound its listeners; Start
// begins the work and returns; Stop ends it and waits for its goroutines, at
// most until ctx ends. Stop without Start, and a second Stop, do no harm.
type Part interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Run starts the part, calls ready, waits for SIGINT or SIGTERM, calls leaving,
// and stops the part. A second signal cuts off what is still under way.
func Run(part Part, log *slog.Logger, ready, leaving func()) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := start(part, signals); err != nil {
		return err
	}
	ready()
	supervisor := systemd.New(log)
	supervisor.Ready()
	alive, dead := context.WithCancel(context.Background())
	var beat sync.WaitGroup
	beat.Go(func() { supervisor.Beat(alive) })
	defer beat.Wait()
	defer dead()
	<-signals
	leaving()
	supervisor.Stopping()
	log.Info("stopping: what is under way is finished; a second signal cuts it off", "at most", StopWithin)
	if err := stopUntil(part, signals); err != nil {
		return fmt.Errorf("not everything stopped cleanly: %w", err)
	}
	log.Info("stopped")
	return nil
}

// stopUntil stops the part, and cuts it off at a signal.
func stopUntil(part Part, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), StopWithin)
	defer cancel()
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return part.Stop(ctx)
}

var errStopped = errors.New("told to stop before it had started")

// start starts the part. A signal meanwhile ends that.
func start(part Part, signals <-chan os.Signal) error {
	ctx, cancel := context.WithTimeout(context.Background(), StartWithin)
	defer cancel()
	started := make(chan error, 1)
	go func() { started <- part.Start(ctx) }()
	select {
	case err := <-started:
		return err
	case <-signals:
	}
	cancel()
	select {
	case err := <-started:
		return errors.Join(errStopped, err, stopUntil(part, signals))
	case <-signals: // a second one
	case <-time.After(abandonWithin):
	}
	return errStopped
}
