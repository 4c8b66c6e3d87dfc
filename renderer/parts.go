package renderer

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/renderer/internal/intake"
	"github.com/thumbmill/thumbmill/shared/queue"
)

// starter is a service.Part with a Start alone.
type starter func(ctx context.Context) error

func (s starter) Start(ctx context.Context) error { return s(ctx) }
func (starter) Stop(context.Context) error        { return nil }

// listener is a service.Part that subscribes to one subject.
type listener struct {
	conn    *nats.Conn
	subject string
	hear    nats.MsgHandler
	sub     *nats.Subscription
}

func (l *listener) Start(context.Context) (err error) {
	l.sub, err = queue.Subscribe(l.conn, l.subject, l.hear)
	return err
}

// Stop unsubscribes.
func (l *listener) Stop(context.Context) error {
	if l.sub == nil {
		return nil
	}
	if err := l.sub.Unsubscribe(); !errors.Is(err, nats.ErrConnectionClosed) {
		return err
	}
	return nil
}

// pulling is the service.Part that pulls jobs.
type pulling struct {
	intake   *intake.Intake
	announce func() // publishes that the renderer drains
	kill     func() // ends the renders that did not finish in time
	started  atomic.Bool
}

func (p *pulling) Start(ctx context.Context) error {
	err := p.intake.Start(ctx)
	p.started.Store(err == nil)
	return err
}

// Stop drains, and kills the renders that still run when ctx ends.
func (p *pulling) Stop(ctx context.Context) error {
	p.intake.Drain()
	if p.started.Load() {
		p.announce()
	}
	done := context.AfterFunc(ctx, p.kill)
	defer done()
	return p.intake.Stop(ctx)
}

func (p *pulling) ready() error {
	switch {
	case p.intake.Draining():
		return errors.New("draining")
	case !p.started.Load():
		return errors.New("not pulling yet: looking for the stream of jobs")
	}
	return nil
}
