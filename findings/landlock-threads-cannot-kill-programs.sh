#!/bin/bash
# Where Landlock (Linux 6.12 and later, seen with 6.18), go-landlock 0.11.0 and Go's os/exec meet, a confined process
# cannot end the programs that it starts. Landlock confines threads, so go-landlock calls it in each thread, and each gets a
# domain of its own. A program inherits the domain of the thread that forked it. With signals scoped (V6), the kernel refuses a
# signal from another thread of the same process with EPERM, though the process only wants to kill its own child. exec.CommandContext
# kills in another goroutine and ignores this error, so that a converter runs on past its time limit, and Run waits for it.
# Seen: a program that sleeps for two seconds, with a limit of 10 ms, lasts two seconds in a confined process, and 10 ms before. A
# kill in the thread that started it works.
set -euo pipefail
"$(dirname "$0")/run-go" github.com/landlock-lsm/go-landlock@v0.11.0 -- <<'G'
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	"github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// last runs a program with a limit, and returns how long it lasted.
func last() time.Duration {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	began := time.Now()
	_ = exec.CommandContext(ctx, "sleep", "2").Run()
	return time.Since(began).Round(10 * time.Millisecond)
}

// killed starts a program and kills it in the same thread.
func killed() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	program := exec.Command("sleep", "2")
	check(program.Start())
	err := program.Process.Kill()
	_ = program.Wait()
	return err
}

func main() {
	if version := must(syscall.LandlockGetABIVersion()); version < 6 {
		fmt.Println("this kernel's Landlock has version", version, "and scopes no signals")
		return
	}
	free := last()
	check(landlock.V6.Restrict(landlock.RODirs("/"), landlock.RWFiles("/dev/null")))
	runtime.LockOSThread() // the goroutine that kills runs in another thread than this one
	confined := last()
	err := killed()
	fmt.Println("limit of 10 ms: free", free, "- confined", confined, "- a kill in the same thread:", err)
	if free > time.Second || confined < time.Second || err != nil {
		os.Exit(1)
	}
}
G
