package refusals

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A flood is a line a minute for each cause. Each line names the client and the remedy.
func TestAFloodIsALineAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&out, nil)))
		for range 120 {
			for range 50 {
				l.Note(Refusal{Cause: "per-ip", Client: "203.0.113.66", Path: "/unsafe/1x/a.jpg", Remedy: "raise throttle.per_ip", Error: errors.New("too many")})
			}
			l.Note(Refusal{Cause: "forbidden", Remedy: "add it to hosts"})
			time.Sleep(time.Second)
		}
		// A host that is not listed and a closed network are both forbidden, and each has its line.
		l.Note(Refusal{Cause: "forbidden", Remedy: "open the network"})
		if said := out.String(); strings.Count(said, "\n") != 5 || !strings.Contains(said, "open the network") {
			t.Errorf("a cause of its own has no line: %s", said)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 5 {
			t.Fatalf("%d lines", len(lines))
		}
		for _, want := range []string{"cause=per-ip", "client=203.0.113.66", "/unsafe/1x/a.jpg", "throttle.per_ip", "others_since_last_line=2999"} {
			if !strings.Contains(lines[2], want) {
				t.Errorf("%s does not say %s", lines[2], want)
			}
		}
	})
}

// The last minute of a flood is counted, though no refusal follows.
func TestTheEndOfAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		l := New(slog.New(slog.NewTextHandler(&out, nil)))
		if err := l.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range 5 {
			l.Note(Refusal{Cause: "per-ip", Path: fmt.Sprint("/", i), Error: errors.New("too many")})
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if said := out.String(); strings.Count(said, "\n") != 2 || !strings.Contains(said, "path=/4 others_since_last_line=3") {
			t.Error(said)
		}
		for range 3 {
			l.Note(Refusal{Cause: "per-ip"})
		}
		if err := l.Stop(t.Context()); err != nil || strings.Count(out.String(), "\n") != 4 {
			t.Error(err, out.String())
		}
	})
}
