#!/bin/bash
# nats-server 2.15.2 ends its JetStream when its disk is full, and begins it again when it reloads its configuration.
# When a health check reloads while the end is still under way, which takes seconds at the server that leads, the end
# also stops the new JetStream's groups: the server calls its JetStream enabled, but its stream stays "not current", and
# further reloads change nothing. Only a restart of the process helps. A reload after the end is over works. Here
# ShutdownJetStream, the server's own call for a full disk, begins the end.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
"$(dirname "$0")/run-go" github.com/nats-io/nats-server/v2@v2.15.2 github.com/nats-io/nats.go@v1.55.0 -- "$dir" <<'G'
package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// run starts one of three servers.
func run(i int) *server.Server {
	file := fmt.Sprintf("%s/%d.conf", os.Args[1], i)
	check(os.WriteFile(file, []byte(fmt.Sprintf(`
server_name: s%[2]d
listen: "127.0.0.1:-1"
http: "127.0.0.1:-1"
jetstream: { store_dir: "%[1]s/%[2]d" }
cluster: { name: c, listen: "127.0.0.1:%[3]d", routes: ["nats://127.0.0.1:18701", "nats://127.0.0.1:18702", "nats://127.0.0.1:18703"] }
`, os.Args[1], i, 18700+i)), 0o600))
	o := must(server.ProcessConfigFile(file))
	o.NoSigs, o.NoLog = true, true
	s := must(server.NewServer(o))
	s.Start()
	return s
}

// becomesHealthy waits for a server's health, and returns what it says last.
func becomesHealthy(s *server.Server, within time.Duration) (said string, ok bool) {
	for end := time.Now().Add(within); !ok && time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		answer := must(http.Get("http://" + s.MonitorAddr().String() + "/healthz"))
		said = string(must(io.ReadAll(answer.Body)))
		check(answer.Body.Close())
		ok = answer.StatusCode == http.StatusOK
	}
	return said, ok
}

func leader(all []*server.Server) *server.Server {
	for {
		for _, s := range all {
			if s.JetStreamIsLeader() {
				return s
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func main() {
	all := []*server.Server{run(1), run(2), run(3)}
	for _, s := range all {
		becomesHealthy(s, time.Minute)
	}
	js := must(jetstream.New(must(nats.Connect(leader(all).ClientURL()))))
	must(js.CreateStream(context.Background(), jetstream.StreamConfig{Name: "S", Storage: jetstream.MemoryStorage, Replicas: 3}))

	s := leader(all)
	check(s.ShutdownJetStream())
	check(s.Reload())
	_, after := becomesHealthy(s, 30*time.Second)
	fmt.Println("healthy after a reload when the end was over:", after)

	s = leader(all)
	ended := make(chan error)
	go func() { ended <- s.ShutdownJetStream() }()
	for over := false; !over; time.Sleep(100 * time.Millisecond) { // a health check
		select {
		case err := <-ended:
			check(err)
			over = true
		default:
		}
		if !s.JetStreamEnabled() {
			check(s.Reload())
		}
	}
	check(s.Reload())
	said, during := becomesHealthy(s, 30*time.Second)
	fmt.Printf("healthy after reloads while it ended: %v, JetStream enabled: %v, it says %s\n", during, s.JetStreamEnabled(), said)
	if !after || during || !s.JetStreamEnabled() {
		os.Exit(1)
	}
}
G
