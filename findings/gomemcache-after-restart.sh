#!/bin/bash
# Where gomemcache of 2026-04-22 and memcached 1.6.18 (Debian 12) meet, a restart of memcached costs an
# error for each idle connection of each client, although memcached answers again. The client notices a
# closed connection only when it uses the connection next; it returns that error and tries no other
# connection. A get can be repeated, and Go's net/http repeats such a request. Seen: eight connections
# are idle, memcached restarts, and the next eight gets fail. The ninth says that the key is absent.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
here=$(cd "$(dirname "$0")" && pwd)
run=$("$here/fetch" "$dir/root" memcached=1.6.18-1+deb12u1 2>/dev/null)
# shellcheck disable=SC2086 # $run is a program and its words
"$here/run-go" github.com/bradfitz/gomemcache@v0.0.0-20260422231931-4d751bb6e37c -- \
	"$dir/socket" $run "$dir/root/usr/bin/memcached" -u "$(id -un)" -s "$dir/socket" <<'G'
package main

import (
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

const idle = 8

func start() *exec.Cmd {
	server := exec.Command(os.Args[2], os.Args[3:]...)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(server.Start())
	for memcache.New(os.Args[1]).Ping() != nil {
		time.Sleep(50 * time.Millisecond)
	}
	return server
}

func main() {
	server, client, all := start(), memcache.New(os.Args[1]), sync.WaitGroup{}
	client.MaxIdleConns, client.Timeout = idle, 20*time.Second
	check(server.Process.Signal(syscall.SIGSTOP)) // so that each get opens a connection
	for range idle {
		all.Go(func() { _, _ = client.Get("absent") })
	}
	time.Sleep(time.Second)
	check(server.Process.Signal(syscall.SIGCONT))
	all.Wait()
	check(server.Process.Kill())
	_ = server.Wait()
	server = start()
	failed := 0
	_, err := client.Get("absent")
	for ; err != memcache.ErrCacheMiss; _, err = client.Get("absent") {
		failed++
	}
	fmt.Println("gets that fail after the restart:", failed, "- then:", err)
	check(server.Process.Kill())
	if failed != idle {
		os.Exit(1)
	}
}
G
