// Package service starts and stops the parts of a process in order, and runs the process until a
// signal. Every role and every process consists of parts.
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
	// StartWithin bounds a process's wait for the services that it needs, such as NATS. The process
	// then gives up, and its supervisor starts it again.
	StartWithin = time.Minute
	// abandonWithin bounds the wait for a part that is still being made when the process must stop.
	// Such a part has made no promise yet that it must keep.
	abandonWithin = 2 * time.Second
)

// Part is a running piece of a process. Its New function binds its listeners. Start begins the work and
// returns. Stop ends the work and waits for the part's goroutines, at most until ctx ends. Stop without
// Start and a second Stop do no harm.
type Part interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Run starts the part, calls ready, waits for SIGINT or SIGTERM, calls leaving, and stops the part within a
// time. A second signal breaks off the work under way.
func Run(part Part, stopWithin time.Duration, log *slog.Logger, ready, leaving func()) error {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := start(part, signals, stopWithin); err != nil {
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
	supervisor.Stopping(stopWithin)
	log.Info("stop after the work under way: a second signal breaks it off", "at most", stopWithin)
	if err := stopUntil(part, signals, stopWithin); err != nil {
		return fmt.Errorf("stop the process cleanly: %w", err)
	}
	log.Info("end the process")
	return nil
}

// stopUntil stops the part, and breaks its work off at a signal.
func stopUntil(part Part, signals <-chan os.Signal, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
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

var errStopped = errors.New("a signal stopped the process before it had started")

// start starts the part. A signal during the start stops it.
func start(part Part, signals <-chan os.Signal, stopWithin time.Duration) error {
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
		return errors.Join(errStopped, err, stopUntil(part, signals, stopWithin))
	case <-signals: // a second signal
	case <-time.After(abandonWithin):
	}
	return errStopped
}
