#!/bin/bash
# nats-server 2.15.2 cuts a message's own time (Nats-TTL) to whole seconds. It takes "1.9s", answers
# that the message is stored, and deletes the message after one second. It refuses times below a second,
# so one expects a refusal or the whole time here. The client nats.go 1.55.0 sends any duration and
# warns of nothing. A queue of requests with deadlines therefore loses jobs up to a second too early.
# Seen: a message with 1.9 s is gone before 1.9 s have passed; a message with 900 ms is refused.
set -euo pipefail
"$(dirname "$0")/run-jetstream" <<'G'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

func main() {
	js, ctx := start(), context.Background()
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Subjects: []string{"s"}, AllowMsgTTL: true}))
	_, short := js.Publish(ctx, "s", nil, jetstream.WithMsgTTL(900*time.Millisecond))
	began := time.Now()
	stored := must(js.Publish(ctx, "s", nil, jetstream.WithMsgTTL(1900*time.Millisecond)))
	var err error
	for !errors.Is(err, jetstream.ErrMsgNotFound) {
		time.Sleep(20 * time.Millisecond)
		_, err = stream.GetMsg(ctx, stored.Sequence)
	}
	lived := time.Since(began)
	fmt.Println("900 ms:", short, "- 1.9 s: the message lives", lived.Round(10*time.Millisecond))
	if short == nil || lived >= 1900*time.Millisecond {
		os.Exit(1)
	}
}
G
