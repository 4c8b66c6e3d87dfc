// Package queue connects a role to NATS and makes the stream and the consumers
// that carry the jobs. The edge and the renderer use it; package embedded runs
// a NATS server inside of the process.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Stream is the name of the stream of jobs.
const Stream = "RENDER"

// LaneBound is how many jobs a lane holds, those in renderers' hands included;
// a further one is refused. Waiting belongs at the coordinator, which lets about
// 1.5 jobs a slot through, so that this bounds a fleet of some 600 slots.
const LaneBound = 1000

const (
	maxMessage = 64 << 10 // a job is about 1 KB
	maxPulls   = 8192     // pulls that wait at one consumer: above the fleet
	maxPending = 8192     // jobs of one lane in hand: above the fleet
	memory     = 256 << 20
	dedupe     = 2 * time.Minute // longer than a request lives
)

// Connect connects to NATS. The connection is kept for ever: a role outlives
// the servers' restarts. Options are added to those from the settings.
func Connect(s settings.NATS, name string, log *slog.Logger, options ...nats.Option) (*nats.Conn, error) {
	all := []nats.Option{
		nats.Name("thumbmill " + name),
		nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, time.Second),
		nats.ReconnectBufSize(1 << 20), nats.PingInterval(5 * time.Second), nats.MaxPingsOutstanding(2),
		nats.Timeout(5 * time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("connection to NATS lost", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("connected to NATS again") }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Warn("NATS", "error", err, "subject", subject)
		}),
	}
	if s.Credentials != "" {
		all = append(all, nats.UserCredentials(s.Credentials))
	}
	if s.TLS.CA != "" {
		all = append(all, nats.RootCAs(s.TLS.CA))
	}
	if s.TLS.Certificate != "" {
		all = append(all, nats.ClientCert(s.TLS.Certificate, s.TLS.Key))
	}
	conn, err := nats.Connect(string(s.URL), append(all, options...)...)
	if err != nil {
		return nil, fmt.Errorf("connect to NATS at nats.url (%v): %w", s.URL, err)
	}
	return conn, nil
}

// Ensure makes the stream and its consumers, or finds them as they should be.
// The stream is in memory: what a full restart of NATS loses, edges publish again.
func Ensure(ctx context.Context, js jetstream.JetStream, replicas int) (jetstream.Stream, error) {
	stream, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: Stream, Subjects: []string{"render.job.>"}, Description: "thumbmill: thumbnails to render",
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.MemoryStorage, Replicas: replicas,
		Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, MaxMsgsPerSubject: LaneBound,
		MaxBytes: memory, MaxMsgSize: maxMessage, Duplicates: dedupe, AllowMsgTTL: true,
	})
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", Stream, err)
	}
	for _, lane := range renderjob.Lanes() {
		_, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: lane.Consumer(), FilterSubject: lane.Subject(),
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: settings.AckWait,
			MaxDeliver: -1, // renderers count, and answer for what was delivered too often
			MaxWaiting: maxPulls, MaxAckPending: maxPending, MemoryStorage: true, Replicas: replicas,
		})
		if err != nil {
			return nil, fmt.Errorf("consumer of lane %s: %w", lane, err)
		}
	}
	return stream, nil
}

// IsFull reports whether a publish was refused because the lane is full.
func IsFull(err error) bool {
	var refused *jetstream.APIError
	if !errors.As(err, &refused) {
		return false
	}
	// "maximum messages (per subject) / bytes exceeded", "insufficient resources"
	return refused.ErrorCode == 10077 || refused.ErrorCode == 10047 || refused.ErrorCode == 10023
}
