// Package service is what every role's process needs around its work: parts
// that start and stop in order, a log, and the operators' listener.
//
// The mains of all roles and thumbmill serve use it.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// StopWithin is how long a process takes to stop cleanly before it gives up.
// It is above the longest render (59 s), which a renderer finishes.
const StopWithin = 75 * time.Second

// StartWithin is how long a process waits for what it needs, such as NATS, before it gives
// up and leaves it to who started it to try again.
const StartWithin = time.Minute

// Part is something that runs. New made it and bound its listeners; Start
// begins the work and returns; Stop ends it and waits for its goroutines, at
// most until ctx ends. Stop without Start, and a second Stop, do no harm.
type Part interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Parts start in order and stop in the opposite one.
type Parts []Part

// Start starts all; when one fails, those before it are stopped again.
func (p Parts) Start(ctx context.Context) error {
	for i, part := range p {
		if err := part.Start(ctx); err != nil {
			return errors.Join(err, p[:i+1].Stop(ctx))
		}
	}
	return nil
}

// Stop stops all, last first.
func (p Parts) Stop(ctx context.Context) error {
	var all []error
	for _, part := range slices.Backward(p) {
		all = append(all, part.Stop(ctx))
	}
	return errors.Join(all...)
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
	systemd := supervised{log}
	systemd.tell(daemon.SdNotifyReady)
	alive, dead := context.WithCancel(context.Background())
	var beat sync.WaitGroup
	beat.Go(func() { systemd.beat(alive) })
	defer beat.Wait()
	defer dead()
	<-signals
	leaving()
	systemd.tell(daemon.SdNotifyStopping)
	log.Info("stopping: what is under way is finished; a second signal cuts it off", "at most", StopWithin)
	stop, done := context.WithTimeout(context.Background(), StopWithin)
	defer done()
	go func() {
		select {
		case <-signals:
			done()
		case <-stop.Done():
		}
	}()
	if err := part.Stop(stop); err != nil {
		return fmt.Errorf("not everything stopped cleanly: %w", err)
	}
	log.Info("stopped")
	return nil
}

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
	var err error
	select {
	case err = <-started:
	case <-signals: // a second one
		return errStopped
	}
	stop, done := context.WithTimeout(context.Background(), StopWithin)
	defer done()
	return errors.Join(errStopped, err, part.Stop(stop))
}

var errStopped = errors.New("told to stop before it had started")

// Version names the build: the module's version, and the revision where it is known.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	version := info.Main.Version
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			version += " " + setting.Value
		}
	}
	return version
}

// Closer is a part that is only closed.
type Closer func() error

// Start does nothing.
func (Closer) Start(context.Context) error { return nil }

// Stop closes.
func (c Closer) Stop(context.Context) error { return c() }
