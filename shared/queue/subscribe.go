package queue

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// Subscribe calls hear for each message that was published to a subject, which may have wildcards.
//
// JetStream delivers a job to any reply subject that a pull names, and the job keeps the subject
// of its publisher. A client could name the subject of another role there, and JetStream would send
// jobs to that role. So Subscribe drops messages whose own subject does not match. All
// subscriptions of a role use this function (architecture_test.go).
func Subscribe(conn *nats.Conn, subject string, hear nats.MsgHandler) (*nats.Subscription, error) {
	return subscribed(subject)(conn.Subscribe(subject, addressed(subject, hear)))
}

// ConsumerChanges returns the subjects on which NATS tells that a lane's consumer is new, or that another server leads it.
func ConsumerChanges() []string {
	const events = "$JS.EVENT.ADVISORY.CONSUMER."
	return []string{events + "CREATED." + Stream + ".*", events + "LEADER_ELECTED." + Stream + ".*"}
}

// SubscribeGroup does the same for a group whose members share the messages.
func SubscribeGroup(conn *nats.Conn, subject, group string, hear nats.MsgHandler) (*nats.Subscription, error) {
	return subscribed(subject)(conn.QueueSubscribe(subject, group, addressed(subject, hear)))
}

// SubscribePulls sends the answers to pulls, whose inboxes begin with a prefix, to a channel. Jobs among them keep
// their own subject, so the receiver must check each message: its subject is a lane's, or the inbox of a pull.
func SubscribePulls(conn *nats.Conn, prefix string, into chan *nats.Msg) (*nats.Subscription, error) {
	return subscribed(prefix)(conn.ChanSubscribe(prefix+"*", into))
}

func subscribed(subject string) func(*nats.Subscription, error) (*nats.Subscription, error) {
	return func(sub *nats.Subscription, err error) (*nats.Subscription, error) {
		if err != nil {
			return nil, fmt.Errorf("subscribe to %s: %w", subject, err)
		}
		return sub, nil
	}
}

func addressed(subject string, hear nats.MsgHandler) nats.MsgHandler {
	return func(m *nats.Msg) {
		if Matches(subject, m.Subject) {
			hear(m)
		}
	}
}

// Matches reports whether a subscription matches a subject: * matches one token, and > matches one
// or more tokens at the end.
func Matches(subscription, subject string) bool {
	for {
		want, moreWanted, hasMoreWanted := strings.Cut(subscription, ".")
		got, moreGot, hasMoreGot := strings.Cut(subject, ".")
		switch {
		case want == ">":
			return got != ""
		case want != "*" && want != got, hasMoreWanted != hasMoreGot:
			return false
		case !hasMoreWanted:
			return true
		}
		subscription, subject = moreWanted, moreGot
	}
}
