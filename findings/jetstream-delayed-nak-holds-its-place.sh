#!/bin/bash
# nats-server 2.15.2 counts a message that a worker gave back with a delay (NakWithDelay of nats.go
# 1.55.0) against the consumer's MaxAckPending until the delay ends, although no worker has the message.
# As many postponed messages as that limit stop the whole consumer, also for messages that nobody has
# seen. The limit's documentation speaks of messages without an acknowledgement; a message that was
# given back has one. Seen: with a limit of 1, a message given back for an hour keeps the next message
# from a worker that waits for two seconds. With a limit of 2, the next message arrives.
set -euo pipefail
"$(dirname "$0")/run-jetstream" <<'G'
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// arrives reports whether a worker gets a second message after it gave the first one back for an hour.
func arrives(js jetstream.JetStream, limit int) bool {
	ctx, name := context.Background(), fmt.Sprint("limit", limit)
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: name, Retention: jetstream.WorkQueuePolicy}))
	consumer := must(stream.CreateConsumer(ctx, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: limit}))
	must(js.Publish(ctx, name, nil))
	must(js.Publish(ctx, name, nil))
	check(must(consumer.Next()).NakWithDelay(time.Hour))
	_, err := consumer.Next(jetstream.FetchMaxWait(2 * time.Second))
	fmt.Println(name, "- the second message arrives:", err == nil)
	return err == nil
}

func main() {
	js := start()
	if arrives(js, 1) || !arrives(js, 2) {
		os.Exit(1)
	}
}
G
