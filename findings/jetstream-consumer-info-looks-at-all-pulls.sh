#!/bin/bash
# nats-server 2.15.2 looks at every pull that waits at a consumer before it answers a request for the
# consumer's information, so that the answer takes longer the more workers wait. A fleet in which each
# idle worker has one pull and asks for information now and then costs the server the square of its
# size. Information about the stream does not depend on the pulls. Seen on one machine: an answer about
# a consumer takes about 50 times as long beside 20,000 waiting pulls as without, an answer about its
# stream at most twice as long.
set -euo pipefail
"$(dirname "$0")/run-jetstream" <<'G'
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const pulls = 20_000

// typical returns the middle time of many calls.
func typical(call func() error) time.Duration {
	all := make([]time.Duration, 101)
	for i := range all {
		began := time.Now()
		check(call())
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func main() {
	js, ctx := start(), context.Background()
	stream := must(js.CreateStream(ctx, jetstream.StreamConfig{Name: "S", Storage: jetstream.MemoryStorage}))
	consumer := must(stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "C", AckPolicy: jetstream.AckExplicitPolicy, MaxWaiting: 2 * pulls}))
	ofConsumer := func() error { _, err := consumer.Info(ctx); return err }
	ofStream := func() error { _, err := stream.Info(ctx); return err }
	fewC, fewS := typical(ofConsumer), typical(ofStream)

	conn := js.Conn()
	inbox := conn.NewInbox()
	must(conn.SubscribeSync(inbox + ".*"))
	for i := range pulls {
		check(conn.PublishRequest("$JS.API.CONSUMER.MSG.NEXT.S.C", fmt.Sprint(inbox, ".", i), []byte(`{"batch":1,"expires":600000000000}`)))
	}
	check(conn.Flush())
	for must(consumer.Info(ctx)).NumWaiting < pulls {
		time.Sleep(100 * time.Millisecond)
	}
	manyC, manyS := typical(ofConsumer), typical(ofStream)
	c, s := float64(manyC)/float64(fewC), float64(manyS)/float64(fewS)
	fmt.Printf("beside %d waiting pulls, an answer about the consumer takes %.0f times as long, one about the stream %.1f times\n", pulls, c, s)
	if c < 5 || s > 3 {
		os.Exit(1)
	}
}
G
