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
	"reflect"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/thumbmill/thumbmill/shared/deadline"
	"github.com/thumbmill/thumbmill/shared/periodic"
	"github.com/thumbmill/thumbmill/shared/renderjob"
	"github.com/thumbmill/thumbmill/shared/settings"
)

// Stream is the name of the stream of jobs.
const Stream = "RENDER"

// LaneBound is the largest number of jobs in a lane, with the jobs that renderers have fetched.
// NATS refuses more. Requests wait at the coordinator, which admits 1.5 jobs for each slot
// (lanes.Places), so this bound is enough for 20,000 slots.
const LaneBound = 30_000

const (
	maxMessage = 64 << 10  // a job is about 1 KB
	maxPulls   = LaneBound // pulls that wait at one consumer: one of each renderer
	maxPending = LaneBound // jobs of one lane in hand
	memory     = 256 << 20
	dedupe     = 2 * time.Minute // longer than a request lives
)

// Inbox returns the prefix of the subjects on which a role gets answers. NATS' permissions keep
// other roles out of it.
func Inbox(role string) string { return inboxes + role }

const inboxes = "_INBOX."

// Answer sends an answer to the reply subject of a message, and does nothing if the message has no
// reply subject. It returns an error for a subject outside the inboxes: a role may publish to more
// subjects than the process that asks, which could name an API of JetStream that empties the
// stream.
func Answer(m *nats.Msg, text string) error {
	if m.Reply == "" {
		return nil
	}
	if !strings.HasPrefix(m.Reply, inboxes) {
		return fmt.Errorf("refuse to answer to %q: reply subjects must begin with _INBOX.", m.Reply)
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

// absent reports whether no server answered. It is false if a server refused.
func absent(err error) bool {
	var network net.Error
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, io.EOF) || errors.As(err, &network)
}

// config returns the stream. A site's stream also takes the jobs of other sites' edges, and stores them under the
// subjects of its lanes, so that renderers see no difference.
func config(s settings.NATS) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name: Stream, Subjects: []string{"render.job.>"}, Description: "thumbmill: thumbnails to render",
		Retention: jetstream.WorkQueuePolicy, Storage: jetstream.MemoryStorage, Replicas: s.Replicas,
		Discard: jetstream.DiscardNew, DiscardNewPerSubject: true, MaxMsgsPerSubject: LaneBound,
		MaxBytes: memory, MaxMsgSize: maxMessage, Duplicates: dedupe, AllowMsgTTL: true,
		MaxConsumers: -1, MaxMsgs: -1, // no bound, as the server reports it
	}
	if s.Site != "" {
		others := renderjob.Lane("*").SiteSubject(s.Site)
		c.Subjects = append(c.Subjects, others)
		c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: others, Destination: renderjob.Lane("{{wildcard(1)}}").Subject()}
	}
	return c
}

// consumer returns the consumer of a lane.
func consumer(lane renderjob.Lane, s settings.NATS) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable: lane.Consumer(), FilterSubject: lane.Subject(),
		AckPolicy: jetstream.AckExplicitPolicy, AckWait: deadline.AckWait,
		MaxDeliver: -1, // renderers count deliveries, and end a job that was delivered too often
		MaxWaiting: maxPulls, MaxAckPending: maxPending, MemoryStorage: true, Replicas: s.Replicas,
	}
}

// Ensure creates the stream and its consumers, or updates those whose settings differ. The stream is in memory: after a
// restart of all NATS servers, edges publish their jobs again.
//
// Ensure changes nothing that is as it should be. The servers write each change to their disks, even one that changes
// nothing; a server whose disk is full then ends its JetStream until its configuration is loaded again.
//
// Ensure also keeps the number of pulls that may wait at a consumer (MaxWaiting), because NATS refuses to change it
// (error 10012). A queue of an earlier version has 8,192: a fleet with more renderers deletes the consumers once.
func Ensure(ctx context.Context, js jetstream.JetStream, s settings.NATS) (jetstream.Stream, error) {
	stream, err := ensureStream(ctx, js, config(s))
	if err != nil {
		return nil, fmt.Errorf("create or update stream %s: %w%s", Stream, err, remedy(err))
	}
	for _, lane := range renderjob.Lanes() {
		if err := ensureConsumer(ctx, stream, consumer(lane, s)); err != nil {
			return nil, fmt.Errorf("create consumer of lane %s: %w", lane, err)
		}
	}
	return stream, nil
}

func ensureStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, Stream)
	if err == nil {
		is := stream.CachedInfo().Config
		is.Metadata = nil // the server's own notes
		if reflect.DeepEqual(is, want) {
			return stream, nil
		}
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, err
	}
	return js.CreateOrUpdateStream(ctx, want)
}

func ensureConsumer(ctx context.Context, stream jetstream.Stream, want jetstream.ConsumerConfig) error {
	there, err := stream.Consumer(ctx, want.Durable)
	if err == nil {
		is := there.CachedInfo().Config
		is.Name, is.Metadata = "", nil // the name is the one of Durable
		want.MaxWaiting = is.MaxWaiting
		if reflect.DeepEqual(is, want) {
			return nil
		}
	} else if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	_, err = stream.CreateOrUpdateConsumer(ctx, want)
	return err
}

// JetStream's codes of errors, from the server's errors.json.
const (
	noResources   = 10023 // insufficient resources
	noMemory      = 10028 // insufficient memory resources available
	invalidConfig = 10052 // such as an update of the storage type
	noCluster     = 10074 // replicas > 1 not supported in non-clustered mode
	noPeers       = 10005 // no suitable peers for placement
	overlaps      = 10065 // subjects overlap with an existing stream
)

// remedy returns an operator's remedy for an error of the stream, or "" if the server's own words are enough.
func remedy(err error) string {
	var refused *jetstream.APIError
	if !errors.As(err, &refused) {
		return ""
	}
	switch refused.ErrorCode {
	case noResources, noMemory:
		return fmt.Sprintf(": give JetStream %d MiB of memory (max_memory_store) on each server", memory>>20)
	case invalidConfig:
		return ": a stream of this name has settings that cannot change: stop its other users, and delete it (nats stream rm " + Stream + ")"
	case overlaps:
		return ": another stream takes render.job.>: delete it, or give thumbmill an account of its own"
	case noCluster, noPeers:
		return ": nats.replicas must not exceed the number of servers with JetStream"
	}
	return ""
}

// look is the pause between two attempts to find the stream.
const look = 200 * time.Millisecond

// attempt bounds one request at the start: a server that is starting does not answer, and a server
// that denies the permission does not answer either.
const attempt = 2 * time.Second

// Find waits for the stream and its consumers, which edges create. A role that has the permission
// creates them once if they are missing. It returns an error when ctx ends.
func Find(ctx context.Context, js jetstream.JetStream, s settings.NATS) error {
	tried := false
	return Persist(ctx, func(ctx context.Context) error {
		err := find(ctx, js)
		if tried || !errors.Is(err, jetstream.ErrStreamNotFound) && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
		tried = true
		_, err = Ensure(ctx, js, s)
		return err
	})
}

// Open calls Ensure until it succeeds, or returns its error when ctx ends: servers that start at
// the same time have not elected a leader yet.
func Open(ctx context.Context, js jetstream.JetStream, s settings.NATS) error {
	return Persist(ctx, func(ctx context.Context) error {
		_, err := Ensure(ctx, js, s)
		return err
	})
}

// Persist calls do until it succeeds, and gives each call 2 s. It returns do's last error when ctx ends. A request to
// JetStream needs it: the servers do not answer while a stream or a consumer has no leader.
func Persist(ctx context.Context, do func(context.Context) error) error {
	for {
		once, cancel := context.WithTimeout(ctx, attempt)
		err := do(once)
		cancel()
		if err == nil {
			return nil
		}
		if periodic.Sleep(ctx, look) != nil {
			return fmt.Errorf("wait for the queue at nats.url: %w", err)
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
