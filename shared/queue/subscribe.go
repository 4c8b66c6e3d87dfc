package queue

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

// Subscribe hears messages that were published to a subject, which may have wildcards.
//
// A NATS server delivers a message to whatever subject its sender wants the answer of a
// pull sent to; such a message keeps the subject that it was published to. So a client that
// names another's subject as its reply could have JetStream send jobs there. Messages whose
// own subject does not match are dropped, and hear does not see them. Every subscription
// of a role is made here, so that the check cannot be forgotten (architecture_test.go).
func Subscribe(conn *nats.Conn, subject string, hear nats.MsgHandler) (*nats.Subscription, error) {
	return subscribed(subject)(conn.Subscribe(subject, addressed(subject, hear)))
}

// SubscribeGroup is Subscribe for a group whose members share the messages.
func SubscribeGroup(conn *nats.Conn, subject, group string, hear nats.MsgHandler) (*nats.Subscription, error) {
	return subscribed(subject)(conn.QueueSubscribe(subject, group, addressed(subject, hear)))
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

// Matches reports whether a subject is one that a subscription's subject names: its tokens
// are the same, * stands for any one token, and > for one or more at the end.
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
