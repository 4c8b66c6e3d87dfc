// Package queue connects a role to NATS and makes the stream and the consumers
// that carry the jobs. The edge and the renderer use it; package embedded runs
// a NATS server inside of the process.
package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/shared/deadline"
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

// Inbox is what the answers to a role come to, so that permissions can keep one role's
// from the others.
func Inbox(role string) string { return inboxes + role }

const inboxes = "_INBOX."

// Answer answers who asked, where anybody did: only to an inbox. A role may answer wherever
// a question says, which is more than who asks may itself: one that names JetStream's API
// would have the answerer empty the stream.
func Answer(m *nats.Msg, text string) error {
	if m.Reply == "" {
		return nil
	}
	if !strings.HasPrefix(m.Reply, inboxes) {
		return fmt.Errorf("%s is no inbox, and gets no answer", m.Reply)
	}
	return m.Respond([]byte(text))
}

// Connect connects a role to NATS, by its name and a name of its own. The connection is
// kept for ever: a role outlives the servers' restarts. Options are added to those from
// the settings.
func Connect(s settings.NATS, role, name string, log *slog.Logger, options ...nats.Option) (*nats.Conn, error) {
	all := []nats.Option{
		nats.Name("thumbmill " + name), nats.CustomInboxPrefix(Inbox(role)),
		nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(), nats.ReconnectWait(100 * time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, time.Second),
		nats.ReconnectBufSize(1 << 20), nats.PingInterval(2 * time.Second), nats.MaxPingsOutstanding(2),
		nats.Timeout(5 * time.Second),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("lose connection to NATS", "error", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("reconnect to NATS") }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			subject := ""
			if sub != nil {
				subject = sub.Subject
			}
			log.Warn("report error of NATS", "error", err, "subject", subject)
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
	all = append(all, options...)
	for began := time.Now(); ; time.Sleep(again) {
		conn, err := nats.Connect(string(s.URL), all...)
		switch {
		case err == nil:
			if s.Credentials != "" && !conn.AuthRequired() {
				log.Warn("find NATS without authentication: every host that reaches it can act as any role; include nats.conf from `thumbmill credentials` in its configuration", "nats.url", s.URL)
			}
			return accept(conn)
		case !absent(err) || time.Since(began) > StartWithin:
			return nil, fmt.Errorf("connect to NATS at nats.url (%v): %w", s.URL, err)
		}
		log.Warn("wait for NATS", "nats.url", s.URL, "limit", StartWithin, "error", err)
	}
}

// StartWithin is the time for which a role waits for NATS when it starts: after a power failure
// roles and NATS start at once.
const StartWithin = 30 * time.Second

const again = time.Second

// leastMajor and leastMinor are the first version of NATS that deletes messages after their time
// (Nats-TTL). Older versions keep jobs without waiting requests.
const leastMajor, leastMinor = 2, 11

func accept(conn *nats.Conn) (*nats.Conn, error) {
	version := conn.ConnectedServerVersion()
	if !recent(version) {
		conn.Close()
		return nil, fmt.Errorf("NATS at nats.url has version %s: install %d.%d or later", version, leastMajor, leastMinor)
	}
	return conn, nil
}

// recent reports whether a server's version is leastMajor.leastMinor or later.
func recent(version string) bool {
	var major, minor int
	_, err := fmt.Sscanf(version, "%d.%d", &major, &minor)
	return err == nil && (major > leastMajor || major == leastMajor && minor >= leastMinor)
}

// absent tells that no server answers from that one refuses.
func absent(err error) bool {
	var network net.Error
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, io.EOF) || errors.As(err, &network)
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
		return nil, fmt.Errorf("stream %s, which takes %d MiB of JetStream's memory (max_memory_store) on each server: %w", Stream, memory>>20, err)
	}
	for _, lane := range renderjob.Lanes() {
		_, err := stream.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: lane.Consumer(), FilterSubject: lane.Subject(),
			AckPolicy: jetstream.AckExplicitPolicy, AckWait: deadline.AckWait,
			MaxDeliver: -1, // renderers count, and answer for what was delivered too often
			MaxWaiting: maxPulls, MaxAckPending: maxPending, MemoryStorage: true, Replicas: replicas,
		})
		if err != nil {
			return nil, fmt.Errorf("consumer of lane %s: %w", lane, err)
		}
	}
	return stream, nil
}

// look is the pause between two looks for the stream.
const look = 200 * time.Millisecond

// attempt bounds one question at the start: servers that only begin do not answer, nor do
// they answer who may not ask.
const attempt = 2 * time.Second

// Find returns once the stream and its consumers are there. Edges make them; who may, and
// finds none, does so too, once.
func Find(ctx context.Context, js jetstream.JetStream, replicas int) error {
	tried := false
	return until(ctx, func(ctx context.Context) error {
		err := find(ctx, js)
		if tried || !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
		tried = true
		_, err = Ensure(ctx, js, replicas)
		return err
	})
}

// Open is Ensure at the start, when servers that begin at the same time may not have
// elected who leads: it asks again until they answer.
func Open(ctx context.Context, js jetstream.JetStream, replicas int) error {
	return until(ctx, func(ctx context.Context) error {
		_, err := Ensure(ctx, js, replicas)
		return err
	})
}

// until does something again and again until it succeeds, or ctx ends.
func until(ctx context.Context, do func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, attempt)
		err := do(once)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(look):
		case <-ctx.Done():
			return fmt.Errorf("the queue at nats.url is not ready: %w", err)
		}
	}
}

func find(ctx context.Context, js jetstream.JetStream) error {
	if _, err := js.Stream(ctx, Stream); err != nil {
		return err
	}
	for _, lane := range renderjob.Lanes() {
		if _, err := js.Consumer(ctx, Stream, lane.Consumer()); err != nil {
			return err
		}
	}
	return nil
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
