package intake

import (
	"github.com/nats-io/nats.go"

	"github.com/thumbmill/thumbmill/shared/queue"
)

// closeAll closes pullers that have not pulled.
func closeAll(pullers []*puller) {
	for _, p := range pullers {
		_ = p.close()
	}
}

// watchPulls lets all lanes pull again whenever NATS may have lost their pulls: after a reconnect, and when a consumer is
// new or has a new leader, on another server, which knows no pulls. It watches until the renderer drains.
func (in *Intake) watchPulls(pullers []*puller) error {
	again := func() {
		for _, p := range pullers {
			p.pullAgain()
		}
	}
	conn := in.config.JetStream.Conn()
	var subs []*nats.Subscription
	end := func() {
		for _, s := range subs {
			_ = s.Unsubscribe() // fails only on a closed connection
		}
	}
	for _, subject := range queue.ConsumerChanges() {
		sub, err := queue.Subscribe(conn, subject, func(*nats.Msg) { again() })
		if err != nil {
			end()
			return err
		}
		subs = append(subs, sub)
	}
	in.loops.Go(func() { defer end(); in.watchConnection(conn, again) })
	return nil
}

// watchConnection calls again after each reconnect, until the renderer drains.
func (in *Intake) watchConnection(conn *nats.Conn, again func()) {
	connected := conn.StatusChanged(nats.CONNECTED)
	defer conn.RemoveStatusListener(connected)
	for {
		select {
		case <-in.untilDrain.Done():
			return
		case _, open := <-connected:
			if !open {
				return
			}
			again()
		}
	}
}
